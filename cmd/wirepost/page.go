package main

import (
	"embed"
	"net/http"
	"path"
	"strings"
)

// page is what a developer sees first: what there is to try, and a form to try
// it with.
//
//go:embed page
var page embed.FS

// addPage adds the page of dev mode.
func addPage(routes map[string]http.Handler) {
	routes["/"] = pageFile("index.html", "text/html; charset=utf-8")
	routes["/page.js"] = pageFile("page.js", "text/javascript; charset=utf-8")
	routes["/page.css"] = pageFile("page.css", "text/css; charset=utf-8")
}

func pageFile(name, contentType string) http.Handler {
	data, err := page.ReadFile(path.Join("page", name))
	if err != nil {
		panic(err) // it is embedded
	}
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		h := w.Header()
		if r.Method != http.MethodGet && r.Method != http.MethodHead {
			h.Set("Allow", "GET, HEAD")
			http.Error(w, "this is a page to read", http.StatusMethodNotAllowed)
			return
		}
		h.Set("Content-Type", contentType)
		h.Set("Cache-Control", "no-cache")
		h.Set("X-Content-Type-Options", "nosniff")
		h.Set("Referrer-Policy", "no-referrer")
		h.Set("Content-Security-Policy", contentPolicy(r.Host))
		w.Write(data) //nolint:errcheck // the peer is gone
	})
}

// contentPolicy allows the page its own script, style and sockets.
func contentPolicy(host string) string {
	sockets := "'self'"
	// 'self' covers ws: only in newer browsers, so that is named too.
	if !strings.ContainsAny(host, " ;,'\"") {
		sockets += " ws://" + host
	}
	return "default-src 'none'; script-src 'self'; style-src 'self'; img-src data:; connect-src " + sockets +
		"; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
}
