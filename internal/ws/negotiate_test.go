package ws

import (
	"fmt"
	"testing"
)

func TestNegotiateDeflate(t *testing.T) {
	t.Parallel()
	const plain = deflateResponse
	const with10 = deflateResponse + "; server_max_window_bits=10"
	const with15 = deflateResponse + "; server_max_window_bits=15"
	for _, c := range []struct {
		name  string
		offer []string
		want  string // "" declines
	}{
		{"no header", nil, ""},
		{"empty header", []string{""}, ""},
		{"commas only", []string{" , ,"}, ""},
		{"Safari", []string{"permessage-deflate"}, plain},
		{"Chrome, Firefox", []string{"permessage-deflate; client_max_window_bits"}, plain},
		{"gorilla", []string{"permessage-deflate; server_no_context_takeover; client_no_context_takeover"}, plain},
		{"no spaces", []string{"permessage-deflate;client_max_window_bits;server_no_context_takeover"}, plain},
		{"many spaces", []string{"\t permessage-deflate ;  client_max_window_bits = 10 "}, plain},
		{"another one", []string{"x-webkit-deflate-frame"}, ""},
		{"another one first", []string{"foo; bar=1, permessage-deflate"}, plain},
		{"a longer name", []string{"permessage-deflate2"}, ""},

		// RFC 7692 §7.1.3 and §5.2.
		{"client_max_window_bits and then 10", []string{"permessage-deflate; client_max_window_bits; server_max_window_bits=10"}, with10},
		{"the next one without", []string{"permessage-deflate; client_max_window_bits; server_max_window_bits=10, permessage-deflate; client_max_window_bits"}, with10},
		{"server_no_context_takeover and fallback", []string{"permessage-deflate; server_max_window_bits=10", "permessage-deflate"}, with10},

		{"server window of 15", []string{"permessage-deflate; server_max_window_bits=15"}, with15},
		{"quoted", []string{`permessage-deflate; server_max_window_bits="15"; client_max_window_bits="8"`}, with15},
		{"server window of 8", []string{"permessage-deflate; server_max_window_bits=8"}, deflateResponse + "; server_max_window_bits=8"},
		{"server window of 7", []string{"permessage-deflate; server_max_window_bits=7"}, ""},
		{"server window without a value", []string{"permessage-deflate; server_max_window_bits"}, ""},
		{"server window of 16", []string{"permessage-deflate; server_max_window_bits=16"}, ""},
		{"server window with a zero", []string{"permessage-deflate; server_max_window_bits=015"}, ""},
		{"client window of 8", []string{"permessage-deflate; client_max_window_bits=8"}, plain},
		{"client window of 7", []string{"permessage-deflate; client_max_window_bits=7"}, ""},
		{"client window of 16", []string{"permessage-deflate; client_max_window_bits=16"}, ""},
		{"client window with a zero", []string{"permessage-deflate; client_max_window_bits=08"}, ""},
		{"client window empty", []string{"permessage-deflate; client_max_window_bits="}, ""},
		{"client window a word", []string{"permessage-deflate; client_max_window_bits=x"}, ""},
		{"client window negative", []string{"permessage-deflate; client_max_window_bits=-9"}, ""},
		{"a flag with a value", []string{"permessage-deflate; server_no_context_takeover=1"}, ""},
		{"another flag with a value", []string{"permessage-deflate; client_no_context_takeover=true"}, ""},
		{"twice the same", []string{"permessage-deflate; client_max_window_bits; client_max_window_bits"}, ""},
		{"twice with other values", []string{"permessage-deflate; client_max_window_bits=9; client_max_window_bits=10"}, ""},
		{"twice the same flag", []string{"permessage-deflate; server_no_context_takeover; server_no_context_takeover"}, ""},
		{"unknown parameter", []string{"permessage-deflate; foo"}, ""},
		{"unknown parameter, then a good offer", []string{"permessage-deflate; foo=1, permessage-deflate"}, plain},
		{"empty parameter", []string{"permessage-deflate;"}, ""},
		{"a comma in quotes", []string{`foo; bar="a, permessage-deflate"`}, ""},
		{"an escaped quote", []string{`foo; bar="\", permessage-deflate"`}, ""},
		{"quotes left open", []string{`permessage-deflate; client_max_window_bits="10`}, ""},
		{"ends with a backslash", []string{`permessage-deflate; client_max_window_bits="10\`}, ""},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			window := 0
			if c.want != "" {
				window = 15
				fmt.Sscanf(c.want, deflateResponse+"; server_max_window_bits=%d", &window) //nolint:errcheck // otherwise it is 15
			}
			if got, bits := NegotiateDeflate(c.offer); got != c.want || bits != window {
				t.Errorf("got %q and %d, want %q and %d", got, bits, c.want, window)
			}
		})
	}
}
