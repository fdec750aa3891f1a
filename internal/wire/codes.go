package wire

// Error codes of wirepost.v1 error frames.
const (
	BadRequest  = "bad_request"
	Forbidden   = "forbidden"
	NotFound    = "not_found"
	TooLarge    = "too_large"
	RateLimited = "rate_limited"
	Unavailable = "unavailable"
	Internal    = "internal"
)

// Close codes: those of RFC 6455 §7.4.1 that are used here, and those of this protocol,
// from the private range 4000–4999 (§7.4.2).
const (
	CloseNormal         = 1000
	CloseGoingAway      = 1001
	CloseProtocolError  = 1002
	CloseUnsupported    = 1003
	CloseNoStatus       = 1005 // never sent
	CloseAbnormal       = 1006 // never sent
	CloseInvalidPayload = 1007
	ClosePolicy         = 1008
	CloseTooLarge       = 1009
	CloseInternal       = 1011
	CloseRestart        = 1012
	CloseTryAgain       = 1013
	CloseUnauthorized   = 4401 // token missing or expired
	CloseForbidden      = 4403
	CloseHeartbeat      = 4408 // heartbeat lost
	CloseDisconnected   = 4409 // disconnected by the application
	CloseTooMuch        = 4429
)

// CloseCode is one row of the table of close codes.
type CloseCode struct {
	Code      int
	Meaning   string
	Reconnect bool // may a client connect again by itself?
}

// CloseCodes lists the close codes and whether a client may reconnect after each. The
// server, the Go client and the JS client share this table; a test keeps them equal. A
// client reconnects after a code that is not listed if it is below 4000. The server never
// sends 1000: if the client did not send it either, it comes from an intermediary.
var CloseCodes = []CloseCode{
	{CloseNormal, "closed normally", true},
	{CloseGoingAway, "going away", true},
	{CloseProtocolError, "protocol error", false},
	{CloseUnsupported, "unsupported data", false},
	{CloseNoStatus, "closed without a code", true},
	{CloseAbnormal, "connection broke", true},
	{CloseInvalidPayload, "invalid payload", false},
	{ClosePolicy, "policy violation", false},
	{CloseTooLarge, "message too big", false},
	{CloseInternal, "internal error", true},
	{CloseRestart, "server restarts", true},
	{CloseTryAgain, "try again later", true},
	{CloseUnauthorized, "token missing or expired", false},
	{CloseForbidden, "forbidden", false},
	{CloseHeartbeat, "heartbeat lost", true},
	{CloseDisconnected, "disconnected by the application", false},
	{CloseTooMuch, "too much", true},
}

// MayReconnect reports whether a client may connect again after a close code.
func MayReconnect(code int) bool {
	for _, c := range CloseCodes {
		if c.Code == code {
			return c.Reconnect
		}
	}
	return code < 4000
}
