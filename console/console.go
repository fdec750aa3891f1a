// Package console is a web page for monitoring and testing a server: current activity,
// one user or channel in detail, and a playground for sockets.
//
// The page is static files without user data. It gets its data from /v1 like any other
// backend, with the API key that its user enters; without one it shows only the form for
// the key.
package console

import (
	"bytes"
	"crypto/sha256"
	"embed"
	"encoding/hex"
	"encoding/json"
	"io/fs"
	"net/http"
	"path"
	"strings"
	"time"

	"github.com/wirepost/wirepost/internal/uplot"
)

//go:embed static
var static embed.FS

// Options describe what the server offers besides the API.
type Options struct {
	Dev     bool `json:"dev"`     // no API keys, and ?user= instead of tokens
	Echo    bool `json:"echo"`    // /echo exists
	Cluster bool `json:"cluster"` // the server is a node of a cluster
	WebPush bool `json:"webpush"` // Web Push is on
}

// Routes returns the console's routes, all GET and HEAD: the page at /console, and
// its files below.
func Routes(o Options) map[string]http.Handler {
	routes := map[string]http.Handler{
		"/console/uPlot.js":      newFile("uPlot.js", []byte(uplot.Script)),
		"/console/uPlot.css":     newFile("uPlot.css", []byte(uplot.Style)),
		"/console/uPlot.txt":     newFile("uPlot.txt", []byte(uplot.Licence)),
		"/console/settings.json": newFile("settings.json", settings(o)),
	}
	files, err := fs.ReadDir(static, "static")
	if err != nil {
		panic(err) // impossible: it is embedded
	}
	for _, f := range files {
		data, err := static.ReadFile("static/" + f.Name())
		if err != nil {
			panic(err)
		}
		routes["/console/"+f.Name()] = newFile(f.Name(), data)
	}
	page := routes["/console/index.html"]
	delete(routes, "/console/index.html")
	routes["/console"], routes["/console/"] = page, page
	return routes
}

// New returns one handler of the Routes, to mount at /console and /console/.
func New(o Options) http.Handler {
	mux := http.NewServeMux()
	for path, file := range Routes(o) {
		mux.Handle(path, file)
	}
	return mux
}

func settings(o Options) []byte {
	data, err := json.Marshal(o)
	if err != nil {
		panic(err) // impossible: they are booleans
	}
	return data
}

// types are the content types of the files, independent of the system's MIME types.
var types = map[string]string{
	".html": "text/html; charset=utf-8",
	".js":   "text/javascript; charset=utf-8",
	".css":  "text/css; charset=utf-8",
	".svg":  "image/svg+xml",
	".json": "application/json",
	".txt":  "text/plain; charset=utf-8",
}

// file is one file, which never changes while the program runs.
type file struct {
	data        []byte
	contentType string
	tag         string
}

func newFile(name string, data []byte) *file {
	sum := sha256.Sum256(data)
	return &file{data: data, contentType: types[path.Ext(name)], tag: `"` + hex.EncodeToString(sum[:8]) + `"`}
}

// ServeHTTP implements http.Handler.
func (f *file) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	h := w.Header()
	if r.Method != http.MethodGet && r.Method != http.MethodHead {
		h.Set("Allow", "GET, HEAD")
		http.Error(w, "this is a page to read", http.StatusMethodNotAllowed)
		return
	}
	h.Set("Content-Type", f.contentType)
	h.Set("Cache-Control", "no-cache") // always revalidated, rarely sent
	h.Set("ETag", f.tag)
	h.Set("X-Content-Type-Options", "nosniff")
	h.Set("Referrer-Policy", "no-referrer")
	h.Set("Cross-Origin-Opener-Policy", "same-origin")
	h.Set("Content-Security-Policy", contentPolicy(r.Host))
	http.ServeContent(w, r, "", time.Time{}, bytes.NewReader(f.data))
}

// contentPolicy allows the page its own files, requests and sockets. Trusted types block
// innerHTML and the like, so text cannot become markup.
func contentPolicy(host string) string {
	connect := "'self'"
	// 'self' covers ws: only in newer browsers, so ws: is listed too.
	if !strings.ContainsAny(host, " ;,'\"") {
		connect += " ws://" + host + " wss://" + host
	}
	return "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; connect-src " + connect +
		"; base-uri 'none'; form-action 'none'; frame-ancestors 'none'; require-trusted-types-for 'script'; trusted-types 'none'"
}
