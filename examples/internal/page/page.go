// Package page serves the page on which the examples are tried: it connects by itself, has
// buttons to open, send and close, and shows what is received, in English or Chinese.
package page

import (
	_ "embed"
	"html"
	"net/http"
	"strings"
)

//go:embed page.html
var page string

// At returns a handler for a page that connects to a path, such as /ws?user=42, and offers
// subprotocols.
func At(path string, subprotocols ...string) http.Handler {
	text := strings.NewReplacer("{path}", html.EscapeString(path), "{subprotocols}", html.EscapeString(strings.Join(subprotocols, " "))).Replace(page)
	return http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "text/html; charset=utf-8")
		w.Write([]byte(text)) //nolint:errcheck // the client may have left
	})
}
