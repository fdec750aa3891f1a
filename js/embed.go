// Package js is the browser's client: TypeScript in src, and the bundle made of it,
// which servers hand out as /wirepost.js.
package js

import (
	"crypto/sha256"
	_ "embed" // the bundle
	"encoding/hex"
	"net/http"
	"strings"
	"time"
)

//go:generate go tool esbuild src/index.ts --bundle --minify --format=esm --target=es2022 --charset=utf8 --log-level=warning --outfile=wirepost.js

//go:embed wirepost.js
var bundle string

// Handler serves the bundle to any page. It is no secret, so that pages of every
// origin may load it.
func Handler() http.Handler {
	sum := sha256.Sum256([]byte(bundle))
	etag := `"` + hex.EncodeToString(sum[:8]) + `"`
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		h := w.Header()
		if r.Method != http.MethodGet && r.Method != http.MethodHead {
			h.Set("Allow", "GET, HEAD")
			http.Error(w, "this is a script to read", http.StatusMethodNotAllowed)
			return
		}
		h.Set("Access-Control-Allow-Origin", "*")
		h.Set("Cross-Origin-Resource-Policy", "cross-origin")
		h.Set("Cache-Control", "public, max-age=300") // a new server's script is in use soon
		h.Set("Content-Type", "application/javascript; charset=utf-8")
		h.Set("ETag", etag)
		h.Set("X-Content-Type-Options", "nosniff")
		http.ServeContent(w, r, "", time.Time{}, strings.NewReader(bundle)) // compares ETags
	})
}
