package ws

import (
	"slices"
	"strings"
)

const deflateName = "permessage-deflate"

// deflateResponse accepts an offer. Neither side uses context takeover: the server
// because a compressed message is shared by many connections, the client (the server
// may request it unoffered, RFC 7692 §7.1.1.2) because a context would be 32 KB per
// connection.
const deflateResponse = deflateName + "; server_no_context_takeover; client_no_context_takeover"

// NegotiateDeflate picks the first valid offer of permessage-deflate in the
// Sec-WebSocket-Extensions headers of a handshake (RFC 7692 §5 and §7.1). It returns
// the value of the response header of that name, and the window for sending; a window
// of 0 means that no offer was accepted. An invalid offer is skipped, and does not fail
// the handshake.
func NegotiateDeflate(headers []string) (response string, window int) {
	for _, offer := range splitQuoted(strings.Join(headers, ","), ',') {
		if response, window := acceptDeflate(splitQuoted(offer, ';')); window != 0 {
			return response, window
		}
	}
	return "", 0
}

// acceptDeflate returns the response to an offer: the name of an extension, and its
// parameters.
func acceptDeflate(offer []string) (response string, window int) {
	if offer[0] != deflateName {
		return "", 0
	}
	response, window = deflateResponse, maxWindow
	var seen []string
	for _, p := range offer[1:] {
		name, value, valued := strings.Cut(p, "=")
		name, value = strings.TrimSpace(name), unquote(strings.TrimSpace(value))
		if slices.Contains(seen, name) || !validParameter(name, value, valued) {
			return "", 0
		}
		seen = append(seen, name)
		if name == "server_max_window_bits" {
			// The response must repeat it (§7.1.2.1).
			response += "; server_max_window_bits=" + value
			window = minWindow + slices.Index(windowBits, value)
		}
	}
	return response, window
}

// validParameter checks one parameter of an offer (§7.1). The response need not mention
// the client's window (§7.1.2.2): any window can be decompressed.
func validParameter(name, value string, valued bool) bool {
	switch name {
	case "server_no_context_takeover", "client_no_context_takeover":
		return !valued
	case "server_max_window_bits":
		return slices.Contains(windowBits, value)
	case "client_max_window_bits":
		return !valued || slices.Contains(windowBits, value)
	}
	return false
}

// windowBits are the valid values, from minWindow on: decimal, without leading zeros.
var windowBits = []string{"8", "9", "10", "11", "12", "13", "14", "15"}

// splitQuoted splits s at a separator, except within quotes, and trims the parts.
func splitQuoted(s string, separator byte) (parts []string) {
	from, quoted := 0, false
	for i := 0; i < len(s); i++ {
		switch {
		case s[i] == '\\' && quoted:
			i++
		case s[i] == '"':
			quoted = !quoted
		case s[i] == separator && !quoted:
			parts = append(parts, strings.TrimSpace(s[from:i]))
			from = i + 1
		}
	}
	return append(parts, strings.TrimSpace(s[from:]))
}

// unquote removes the quotes of a value, which may be a quoted string (RFC 6455 §9.1).
// The values recognized here need no escapes.
func unquote(s string) string {
	if len(s) >= 2 && s[0] == '"' && s[len(s)-1] == '"' {
		return s[1 : len(s)-1]
	}
	return s
}
