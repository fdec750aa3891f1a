// Package js is the browser client: TypeScript in src, and the scripts built from it, which
// servers serve as /wirepost.js, for pages that need it /wirepost-more.js, for pages that
// keep messages /wirepost-persist.js, and for pages with notifications /wirepost-notify.js
// and the service worker /wirepost-sw.js.
package js

import (
	"bytes"
	"crypto/sha256"
	"embed"
	"encoding/hex"
	"net/http"
	"path"
	"time"
)

//go:generate go tool esbuild wirepost=src/index.ts wirepost-more=src/wirepost-more.ts wirepost-notify=src/wirepost-notify.ts wirepost-persist=src/wirepost-persist.ts --bundle --external:./wirepost-more.js --external:./wirepost-notify.js --external:./wirepost-persist.js --minify --mangle-props=^_ --format=esm --target=chrome91,firefox90,safari15 --charset=utf8 --log-level=warning --outdir=.
//go:generate go tool esbuild wirepost-sw=src/worker.ts --bundle --minify --format=iife --target=chrome91,firefox90,safari15 --charset=utf8 --log-level=warning --outdir=.

//go:embed wirepost.js wirepost-more.js wirepost-notify.js wirepost-persist.js wirepost-sw.js
var files embed.FS

// Handler serves /wirepost-more.js, /wirepost-persist.js, /wirepost-notify.js and the service
// worker /wirepost-sw.js, and at any other path /wirepost.js, which loads the first three from
// the same directory when a page needs them: mount it at the first and the last of these
// paths, and at the others for pages that need them. The scripts are public, so pages of
// every origin may load them.
func Handler() http.Handler {
	const short = "public, max-age=300" // an update takes effect soon
	const checked = "no-cache"          // so does a fix of the worker, which lives longer than pages
	named := map[string]http.Handler{
		"wirepost-more.js":    script("wirepost-more.js", short),
		"wirepost-notify.js":  script("wirepost-notify.js", short),
		"wirepost-persist.js": script("wirepost-persist.js", short),
		"wirepost-sw.js":      script("wirepost-sw.js", checked),
	}
	first := script("wirepost.js", short)
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if h, ok := named[path.Base(r.URL.Path)]; ok {
			h.ServeHTTP(w, r)
			return
		}
		first.ServeHTTP(w, r)
	})
}

func script(name, cache string) http.Handler {
	text, err := files.ReadFile(name)
	if err != nil {
		panic(err) // it is embedded above
	}
	sum := sha256.Sum256(text)
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
		h.Set("Cache-Control", cache)
		h.Set("Content-Type", "application/javascript; charset=utf-8")
		h.Set("ETag", etag)
		h.Set("X-Content-Type-Options", "nosniff")
		http.ServeContent(w, r, "", time.Time{}, bytes.NewReader(text)) // compares ETags
	})
}
