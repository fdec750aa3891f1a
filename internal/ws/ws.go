// Package ws is the WebSocket protocol: RFC 6455 and permessage-deflate of RFC 7692,
// for both sides of a connection. It converts bytes into messages and messages into
// frames, negotiates compression and computes the handshake's accept key. It does not use
// sockets, loops or timers; internal/conn has them for the server, internal/dial for the
// client.
//
// Frames are built with AppendFrame (by a server) and AppendMasked (by a client),
// and compressed with DeflateFrame. A Parser parses messages from bytes as they arrive; a
// Reader does so from an io.Reader.
package ws

// Opcodes of RFC 6455 §5.2.
const (
	opContinuation byte = 0x0
	OpText         byte = 0x1
	OpBinary       byte = 0x2
	OpClose        byte = 0x8
	OpPing         byte = 0x9
	OpPong         byte = 0xA
)

const (
	finBit  = 0x80
	rsvBits = 0x70
	maskBit = 0x80

	// rsv1 marks a compressed message, in its first frame (RFC 7692 §6).
	rsv1 = 0x40

	// maxControl is the longest payload of a control frame (RFC 6455 §5.5).
	maxControl = 125
	// maxHeader is two bytes, eight of length and four of mask.
	maxHeader = 14
)

func isControl(op byte) bool { return op&0x8 != 0 }

// Close codes of violations (RFC 6455 §7.4.1).
const (
	codeProtocolError  = 1002
	codeNoStatus       = 1005
	codeInvalidPayload = 1007
	codeTooBig         = 1009
)
