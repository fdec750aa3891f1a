package ws

import (
	"errors"
	"slices"
	"strings"
)

// DeflateOffer is the permessage-deflate offer of a client (RFC 7692 §7.1): without
// context takeover in both directions, so that a Reader keeps no state between
// messages. The server may limit the window of the client's compression to any size: a
// client of this package does not compress.
const DeflateOffer = deflateResponse + "; client_max_window_bits"

var (
	errUnoffered   = errors.New("an extension that was not offered")
	errDeflateTerm = errors.New("permessage-deflate on terms that were not offered")
)

// AcceptedDeflate parses the Sec-WebSocket-Extensions headers of the response to
// DeflateOffer. An error means that the handshake has failed (RFC 6455 §4.1).
func AcceptedDeflate(headers []string) (deflate bool, err error) {
	if len(headers) == 0 {
		return false, nil
	}
	responses := splitQuoted(strings.Join(headers, ","), ',')
	response := splitQuoted(responses[0], ';')
	if len(responses) != 1 || response[0] != deflateName {
		return false, errUnoffered
	}
	var seen []string
	for _, p := range response[1:] {
		name, value, valued := strings.Cut(p, "=")
		name, value = strings.TrimSpace(name), unquote(strings.TrimSpace(value))
		if slices.Contains(seen, name) || !validResponse(name, value, valued) {
			return false, errDeflateTerm
		}
		seen = append(seen, name)
	}
	// Without it a message may refer to the previous one (§7.1.1.1).
	if !slices.Contains(seen, "server_no_context_takeover") {
		return false, errDeflateTerm
	}
	return true, nil
}

// validResponse checks one parameter of a response. A server may state its window
// without being asked (§7.1.2.1), and limit the client's because that was offered
// (§7.1.2.2).
func validResponse(name, value string, valued bool) bool {
	switch name {
	case "server_no_context_takeover", "client_no_context_takeover":
		return !valued
	case "server_max_window_bits", "client_max_window_bits":
		return slices.Contains(windowBits, value)
	}
	return false
}
