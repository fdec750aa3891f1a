// Package js is the browser client: TypeScript in src, and the two scripts built from it,
// which servers serve as /wirepost.js and, for pages that need it, /wirepost-more.js.
package js

import (
	"crypto/sha256"
	_ "embed" // the scripts
	"encoding/hex"
	"net/http"
	"path"
	"strings"
	"time"
)

//go:generate go tool esbuild wirepost=src/index.ts wirepost-more=src/wirepost-more.ts --bundle --external:./wirepost-more.js --minify --mangle-props=^_ --format=esm --target=chrome91,firefox90,safari15 --charset=utf8 --log-level=warning --outdir=.

//go:embed wirepost.js
var first string

//go:embed wirepost-more.js
var more string

// Handler serves /wirepost-more.js, and at any other path /wirepost.js, which loads the
// former from the same directory when a page needs it: mount it at both. The scripts are
// public, so pages of every origin may load them.
func Handler() http.Handler {
	first, more := script(first), script(more)
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if path.Base(r.URL.Path) == "wirepost-more.js" {
			more.ServeHTTP(w, r)
			return
		}
		first.ServeHTTP(w, r)
	})
}

func script(text string) http.Handler {
	sum := sha256.Sum256([]byte(text))
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
		h.Set("Cache-Control", "public, max-age=300") // short, so that an update takes effect soon
		h.Set("Content-Type", "application/javascript; charset=utf-8")
		h.Set("ETag", etag)
		h.Set("X-Content-Type-Options", "nosniff")
		http.ServeContent(w, r, "", time.Time{}, strings.NewReader(text)) // compares ETags
	})
}
