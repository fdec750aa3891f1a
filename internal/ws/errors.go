package ws

// ProtocolError is a peer's violation of RFC 6455.
type ProtocolError struct {
	Code   int    // the close code to send
	Reason string // sent to the peer
}

func (e *ProtocolError) Error() string { return e.Reason }

func violation(reason string) *ProtocolError {
	return &ProtocolError{Code: codeProtocolError, Reason: reason}
}

// The violations that the parser reports. They are variables so that a hostile peer
// does not cause an allocation each time.
var (
	errReserved      = violation("reserved bits are set")
	errOpcode        = violation("unknown opcode")
	errFragmented    = violation("control frame is fragmented")
	errControlLength = violation("control frame is too long")
	errUnmasked      = violation("frame is not masked")
	errMasked        = violation("server frame is masked")
	errLength        = violation("length is not encoded in the shortest way")
	errNoMessage     = violation("continuation without a message")
	errInMessage     = violation("new message inside a message")
	errClosePayload  = violation("close frame of one byte")
	errCloseCode     = violation("close code is not valid")
	errUTF8          = &ProtocolError{Code: codeInvalidPayload, Reason: "text is not valid UTF-8"}
	errDeflate       = &ProtocolError{Code: codeInvalidPayload, Reason: "compressed data is corrupt"}
	errTooBig        = &ProtocolError{Code: codeTooBig, Reason: "message is too big"}
)
