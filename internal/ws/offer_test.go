package ws

import "testing"

func TestAcceptedDeflate(t *testing.T) {
	for _, tc := range []struct {
		headers []string
		deflate bool
		ok      bool
	}{
		{nil, false, true},
		{[]string{deflateResponse}, true, true},
		{[]string{"permessage-deflate; server_no_context_takeover"}, true, true},
		{[]string{`permessage-deflate; server_max_window_bits="12"; server_no_context_takeover`}, true, true},
		{[]string{"permessage-deflate"}, false, false},
		{[]string{"permessage-deflate; server_no_context_takeover; client_max_window_bits=10"}, true, true},
		{[]string{"permessage-deflate; server_no_context_takeover; client_max_window_bits=8; server_max_window_bits=8"}, true, true},
		{[]string{"permessage-deflate; server_no_context_takeover; client_max_window_bits"}, false, false},
		{[]string{"permessage-deflate; server_no_context_takeover; client_max_window_bits=16"}, false, false},
		{[]string{"permessage-deflate; server_no_context_takeover; server_no_context_takeover"}, false, false},
		{[]string{"permessage-deflate; server_no_context_takeover=1"}, false, false},
		{[]string{deflateResponse, deflateResponse}, false, false},
		{[]string{"x-webkit-deflate-frame"}, false, false},
		{[]string{""}, false, false},
	} {
		if got, err := AcceptedDeflate(tc.headers); got != tc.deflate || (err == nil) != tc.ok {
			t.Errorf("%q: %t %v", tc.headers, got, err)
		}
	}
}
