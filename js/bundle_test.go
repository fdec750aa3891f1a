package js_test

import (
	"bytes"
	"compress/gzip"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/wirepost/wirepost/internal/wire"
	"github.com/wirepost/wirepost/js"
)

// The scripts with their maximum sizes on the wire, in bytes: less than 8 KiB for the one
// that every page loads, less than 6 KiB for the one that some pages need. Before
// presence and history the limits were 6 and 5 KiB; those two, and resuming a shared
// connection without a WebSocket where the tab is, take about 200 bytes of the first script and
// 450 of the second; platforms that are not browsers take 240 and 180; backoff, loggers, events
// of the state, getState, and the buffer and the URLs of ReliableWebSocket take about 650 of
// the first, and what connects it to IndexedDB 450. The rest of what is kept in IndexedDB is a
// third script, and notifications a fourth, so that pages without them, which need the second
// one where no WebSocket comes through, do not load what is twice as much.
var scripts = map[string]int{"wirepost.js": 8192, "wirepost-more.js": 6144, "wirepost-notify.js": 2304, "wirepost-persist.js": 4096, "wirepost-sw.js": 1024}

func TestBundlesAreSmall(t *testing.T) {
	for name, limit := range scripts {
		checkSize(t, name, limit)
	}
}

func checkSize(t *testing.T, name string, limit int) {
	t.Helper()
	var zipped bytes.Buffer
	w, err := gzip.NewWriterLevel(&zipped, gzip.BestCompression)
	if err != nil {
		t.Fatal(err)
	}
	w.Write(read(t, name)) //nolint:errcheck // a buffer
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	t.Logf("%s: %d bytes gzipped", name, zipped.Len())
	if zipped.Len() >= limit {
		t.Errorf("%s has %d bytes gzipped, the limit is %d", name, zipped.Len(), limit)
	}
}

// TestBundlesAreFresh checks that go generate would make the same bundles.
func TestBundlesAreFresh(t *testing.T) {
	directive := regexp.MustCompile(`(?m)^//go:generate go (tool esbuild .*) --outdir=\.$`)
	commands := directive.FindAllSubmatch(read(t, "embed.go"), -1)
	if len(commands) != 2 {
		t.Fatalf("embed.go has %d go:generate lines, want one for pages and one for workers", len(commands))
	}
	dir := t.TempDir()
	for _, command := range commands {
		args := append(strings.Fields(string(command[1])), "--outdir="+dir)
		if out, err := exec.Command("go", args...).CombinedOutput(); err != nil {
			t.Fatalf("go %s: %v\n%s", strings.Join(args, " "), err, out)
		}
	}
	for name := range scripts {
		if !bytes.Equal(read(t, filepath.Join(dir, name)), read(t, name)) {
			t.Errorf("%s is not up to date with src: run go generate ./js", name)
		}
	}
}

// TestCloseCodes checks that the client's table equals the server's.
func TestCloseCodes(t *testing.T) {
	row := regexp.MustCompile(`\[(\d+), (true|false)\], // (.*)`)
	var got []wire.CloseCode
	for _, m := range row.FindAllStringSubmatch(string(read(t, "src/codes.ts")), -1) {
		code, err := strconv.Atoi(m[1])
		if err != nil {
			t.Fatal(err)
		}
		got = append(got, wire.CloseCode{Code: code, Meaning: m[3], Reconnect: m[2] == "true"})
	}
	if diff := cmp.Diff(wire.CloseCodes, got); diff != "" {
		t.Errorf("src/codes.ts and internal/wire (-wire +js):\n%s", diff)
	}
}

func TestHandler(t *testing.T) {
	for name := range scripts {
		t.Run(name, func(t *testing.T) { testScript(t, "/assets/"+name) })
	}
}

func testScript(t *testing.T, path string) {
	serve := func(method, match string) *http.Response {
		r := httptest.NewRequest(method, path, nil)
		if match != "" {
			r.Header.Set("If-None-Match", match)
		}
		w := httptest.NewRecorder()
		js.Handler().ServeHTTP(w, r)
		return w.Result()
	}
	got := serve(http.MethodGet, "")
	if body, err := io.ReadAll(got.Body); err != nil || !bytes.Equal(body, read(t, filepath.Base(path))) {
		t.Errorf("%d bytes, %v", len(body), err)
	}
	etag := got.Header.Get("ETag")
	if got.StatusCode != http.StatusOK || got.ContentLength == 0 || etag == "" {
		t.Errorf("GET: %s, ETag %s", got.Status, etag)
	}
	cache := "public, max-age=300"
	if path == "/assets/wirepost-sw.js" {
		cache = "no-cache"
	}
	for name, want := range map[string]string{
		"Content-Type": "application/javascript; charset=utf-8", "Access-Control-Allow-Origin": "*",
		"Cache-Control": cache, "X-Content-Type-Options": "nosniff",
	} {
		if got.Header.Get(name) != want {
			t.Errorf("%s: %q, want %q", name, got.Header.Get(name), want)
		}
	}
	if got := serve(http.MethodGet, etag); got.StatusCode != http.StatusNotModified {
		t.Errorf("with its ETag: %s", got.Status)
	}
	if got := serve(http.MethodGet, `"other"`); got.StatusCode != http.StatusOK {
		t.Errorf("with another ETag: %s", got.Status)
	}
	if got := serve(http.MethodHead, ""); got.StatusCode != http.StatusOK || got.Header.Get("Content-Length") == "" {
		t.Errorf("HEAD: %s", got.Status)
	}
	if got := serve(http.MethodPost, ""); got.StatusCode != http.StatusMethodNotAllowed || got.Header.Get("Allow") != "GET, HEAD" {
		t.Errorf("POST: %s", got.Status)
	}
}

// TestServed requests the scripts from the real program, without a key, in both modes.
func TestServed(t *testing.T) {
	for _, args := range [][]string{
		{"dev"},
		{"serve", "--api-key", apiKey, "--token-secret", "a secret of the tests, long enough"},
	} {
		t.Run(args[0], func(t *testing.T) {
			s := serve(t, args...)
			for name := range scripts {
				response, err := http.Get(s.url("/" + name))
				if err != nil {
					t.Fatal(err)
				}
				defer response.Body.Close()
				body, err := io.ReadAll(response.Body)
				if err != nil || response.StatusCode != http.StatusOK || !bytes.Equal(body, read(t, name)) {
					t.Errorf("%s: %s, %d bytes, %v", name, response.Status, len(body), err)
				}
			}
		})
	}
}

func read(t *testing.T, name string) []byte {
	t.Helper()
	data, err := os.ReadFile(name)
	if err != nil {
		t.Fatal(err)
	}
	return data
}
