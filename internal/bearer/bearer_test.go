package bearer_test

import (
	"net/http"
	"testing"

	"github.com/wirepost/wirepost/internal/bearer"
)

func TestToken(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		header, token string
		ok            bool
	}{
		{"Bearer abc", "abc", true},
		{"bearer  abc ", "abc", true},
		{"BEARER abc def", "abc def", true},
		{"Bearer", "", true},
		{"Bearer ", "", true},
		{"", "", false},
		{"abc", "", false},
		{"Basic abc", "", false},
		{"Bearerabc", "", false},
	} {
		h := http.Header{"Authorization": {c.header}}
		if token, ok := bearer.Token(h); token != c.token || ok != c.ok {
			t.Errorf("%q: %q %v, want %q %v", c.header, token, ok, c.token, c.ok)
		}
	}
	if token, ok := bearer.Token(http.Header{}); token != "" || ok {
		t.Errorf("no header: %q %v", token, ok)
	}
}
