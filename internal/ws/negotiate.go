package ws

import (
	"slices"
	"strings"
)

const deflateName = "permessage-deflate"

// deflateAnswer accepts an offer. Neither side takes its context over to the next
// message: the server because a compressed message is shared by many connections,
// the client (the server may ask for it unoffered, RFC 7692 §7.1.1.2) because a
// context would be 32 KB for each of them.
const deflateAnswer = deflateName + "; server_no_context_takeover; client_no_context_takeover"

// NegotiateDeflate picks the first valid offer of permessage-deflate among the
// Sec-WebSocket-Extensions headers of a handshake (RFC 7692 §5 and §7.1), and
// returns what to answer in a header of that name, and the window for what is
// sent; a window of 0 means that there is none. An offer that is not valid is passed
// over, and does not fail the handshake.
func NegotiateDeflate(headers []string) (answer string, window int) {
	for _, offer := range splitQuoted(strings.Join(headers, ","), ',') {
		if answer, window := answerDeflate(splitQuoted(offer, ';')); window != 0 {
			return answer, window
		}
	}
	return "", 0
}

// answerDeflate answers an offer: the name of an extension, and its parameters.
func answerDeflate(offer []string) (answer string, window int) {
	if offer[0] != deflateName {
		return "", 0
	}
	answer, window = deflateAnswer, maxWindow
	var seen []string
	for _, p := range offer[1:] {
		name, value, valued := strings.Cut(p, "=")
		name, value = strings.TrimSpace(name), unquote(strings.TrimSpace(value))
		if slices.Contains(seen, name) || !validParameter(name, value, valued) {
			return "", 0
		}
		seen = append(seen, name)
		if name == "server_max_window_bits" {
			// The answer has to repeat it (§7.1.2.1).
			answer += "; server_max_window_bits=" + value
			window = minWindow + slices.Index(windowBits, value)
		}
	}
	return answer, window
}

// validParameter checks one parameter of an offer (§7.1). The client's window need
// not be answered (§7.1.2.2): whatever it is, it can be read.
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

// windowBits are the values there are, from minWindow on: decimal, without leading
// zeros.
var windowBits = []string{"8", "9", "10", "11", "12", "13", "14", "15"}

// splitQuoted cuts s at a separator, but not within quotes, and trims the parts.
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

// unquote takes the quotes off a value: it may be a quoted string (RFC 6455 §9.1).
// The values looked for need no escapes.
func unquote(s string) string {
	if len(s) >= 2 && s[0] == '"' && s[len(s)-1] == '"' {
		return s[1 : len(s)-1]
	}
	return s
}
