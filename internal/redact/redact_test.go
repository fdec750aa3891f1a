package redact

import "testing"

func TestURL(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]string{
		"https://app.example.com":                       "https://app.example.com",
		"https://app.example.com:8443/":                 "https://app.example.com:8443",
		"https://chat.example/services/T0/B0/secret":    "https://chat.example/…",
		"https://app.example.com?key=secret":            "https://app.example.com/…",
		"https://app.example.com/#secret":               "https://app.example.com/…",
		"https://secret@app.example.com":                "https://app.example.com/…",
		"https://user:secret@app.example.com/hook?a=b#": "https://app.example.com/…",
		"http://[::1]:80/%73ecret":                      "http://[::1]:80/…",
		"http://h/%zzsecret":                            "…",
		"user:secret@app.example.com":                   "…",
		"/secret":                                       "…",
	} {
		if got := URL(text); got != want {
			t.Errorf("%s is shown as %s, want %s", text, got, want)
		}
	}
}

func TestText(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]string{
		"https://user:secret@app.example.com/hook": "https://app.example.com/…",
		"http://localhost:*":                       "http://localhost:*", // an origin
		"/var/lib/wirepost":                        "/var/lib/wirepost",
		"":                                         "",
	} {
		if got := Text(text); got != want {
			t.Errorf("%s is shown as %s, want %s", text, got, want)
		}
	}
}
