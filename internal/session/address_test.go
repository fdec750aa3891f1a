package session

import "testing"

func TestAddress(t *testing.T) {
	t.Parallel()
	for remote, want := range map[string]string{
		"127.0.0.1:80":     "127.0.0.1:80",
		"[2001:db8::1]:80": "[2001:db8::1]:80",
		"192.0.2.7":        "192.0.2.7",
		"pipe":             "",
		"":                 "",
	} {
		if got := ParseAddress(remote).String(); got != want {
			t.Errorf("%q is shown as %q", remote, got)
		}
	}
}
