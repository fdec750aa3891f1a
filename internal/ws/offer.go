package ws

import (
	"errors"
	"slices"
	"strings"
)

// DeflateOffer is how a client offers permessage-deflate (RFC 7692 §7.1): each
// message compressed by itself, in both directions, so that a Reader keeps nothing
// between them. The server may limit the window of what the client compresses, as
// small as it likes: a client of this package compresses nothing.
const DeflateOffer = deflateAnswer + "; client_max_window_bits"

var (
	errUnoffered   = errors.New("an extension that was not offered")
	errDeflateTerm = errors.New("permessage-deflate on terms that were not offered")
)

// AcceptedDeflate reads the Sec-WebSocket-Extensions headers that answer
// DeflateOffer. An error means that the handshake has failed (RFC 6455 §4.1).
func AcceptedDeflate(headers []string) (deflate bool, err error) {
	if len(headers) == 0 {
		return false, nil
	}
	answers := splitQuoted(strings.Join(headers, ","), ',')
	answer := splitQuoted(answers[0], ';')
	if len(answers) != 1 || answer[0] != deflateName {
		return false, errUnoffered
	}
	var seen []string
	for _, p := range answer[1:] {
		name, value, valued := strings.Cut(p, "=")
		name, value = strings.TrimSpace(name), unquote(strings.TrimSpace(value))
		if slices.Contains(seen, name) || !validAnswer(name, value, valued) {
			return false, errDeflateTerm
		}
		seen = append(seen, name)
	}
	// Without it a message may refer to the one before (§7.1.1.1).
	if !slices.Contains(seen, "server_no_context_takeover") {
		return false, errDeflateTerm
	}
	return true, nil
}

// validAnswer checks one parameter of an answer. A server may state its
// window without being asked (§7.1.2.1), and limit the client's because that was offered (§7.1.2.2).
func validAnswer(name, value string, valued bool) bool {
	switch name {
	case "server_no_context_takeover", "client_no_context_takeover":
		return !valued
	case "server_max_window_bits", "client_max_window_bits":
		return slices.Contains(windowBits, value)
	}
	return false
}
