package console

import (
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
)

func TestContentPolicy(t *testing.T) {
	if p := contentPolicy("127.0.0.1:8080"); !strings.Contains(p, "connect-src 'self' ws://127.0.0.1:8080 wss://127.0.0.1:8080;") {
		t.Error(p)
	}
	if p := contentPolicy("x; script-src *"); strings.Contains(p, "*") {
		t.Errorf("the policy contains an invalid host: %s", p)
	}
}

func TestRoutes(t *testing.T) {
	routes := Routes(Options{})
	for path, handler := range routes {
		get := httptest.NewRecorder()
		handler.ServeHTTP(get, httptest.NewRequest("GET", path, nil))
		if get.Code != http.StatusOK || get.Header().Get("Content-Type") == "" || get.Body.Len() == 0 {
			t.Errorf("GET %s: %d %v, %d bytes", path, get.Code, get.Header(), get.Body.Len())
		}
		again := httptest.NewRequest("GET", path, nil)
		again.Header.Set("If-None-Match", get.Header().Get("ETag"))
		unchanged := httptest.NewRecorder()
		if handler.ServeHTTP(unchanged, again); unchanged.Code != http.StatusNotModified {
			t.Errorf("GET %s with its ETag: %d", path, unchanged.Code)
		}
		post := httptest.NewRecorder()
		if handler.ServeHTTP(post, httptest.NewRequest("POST", path, nil)); post.Code != http.StatusMethodNotAllowed || post.Header().Get("Allow") != "GET, HEAD" {
			t.Errorf("POST %s: %d %v", path, post.Code, post.Header())
		}
	}
}

// TestNoOtherOrigin checks that the page loads nothing from other origins.
func TestNoOtherOrigin(t *testing.T) {
	files, err := static.ReadDir("static")
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range files {
		data, err := static.ReadFile("static/" + f.Name())
		if err != nil {
			t.Fatal(err)
		}
		rest := strings.ReplaceAll(string(data), "http://www.w3.org/2000/svg", "")
		for _, bad := range []string{"http://", "https://", "innerHTML", "insertAdjacentHTML", "eval("} {
			if strings.Contains(rest, bad) {
				t.Errorf("%s has %s", f.Name(), bad)
			}
		}
	}
}
