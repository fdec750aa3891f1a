package main

import (
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/wirepost/wirepost"
	"github.com/wirepost/wirepost/auth"
	"github.com/wirepost/wirepost/httpapi"
)

// TestBulkRefused checks that a refusal is reported immediately, even while standard
// input is open.
func TestBulkRefused(t *testing.T) {
	logger := slog.New(slog.DiscardHandler)
	srv, err := wirepost.New(wirepost.Options{Authenticate: auth.Dev(), Logger: logger})
	if err != nil {
		t.Fatal(err)
	}
	hs := httptest.NewServer(httpapi.New(srv, httpapi.Options{Keys: []string{strings.Repeat("k", 32)}, Logger: logger}))
	defer hs.Close()
	defer srv.Shutdown(t.Context()) //nolint:errcheck // nobody is connected
	in, endless := io.Pipe()
	defer endless.Close()
	c := &pushCommand{NDJSON: true, APIKey: "wrong"}
	c.Server = servers(t, hs.URL)
	err = c.Run(t.Context(), &terminal{In: in, Out: io.Discard, Err: io.Discard})
	if err == nil || !strings.Contains(err.Error(), "401") {
		t.Errorf("got %v", err)
	}
}

// TestForeignServers checks that push and listen end with one line that says what is
// wrong when the server is another one.
func TestForeignServers(t *testing.T) {
	t.Parallel()
	mux := http.NewServeMux()
	mux.HandleFunc("/page/", func(w http.ResponseWriter, r *http.Request) {
		io.Copy(io.Discard, r.Body) //nolint:errcheck // the response tells
		io.WriteString(w, "<html>hello</html>")
	})
	mux.HandleFunc("/moved/", func(w http.ResponseWriter, r *http.Request) { http.Redirect(w, r, "/page/", http.StatusFound) })
	hs := httptest.NewServer(mux)
	defer hs.Close()
	for _, test := range []struct{ command, path, want string }{
		{"bulk", "/page", `the response is "text/html", not application/x-ndjson: ` + hs.URL + "/page is not a Wirepost server"},
		{"bulk", "/moved", "302"},
		{"listen", "/page", "200 OK instead of opening a WebSocket: " + hs.URL + "/page is not a Wirepost server"},
		{"listen", "/none", "404 Not Found instead of opening a WebSocket"},
	} {
		to := cluster{Server: servers(t, hs.URL+test.path)}
		term := &terminal{In: strings.NewReader(`{"to":"a","data":1}` + "\n"), Out: io.Discard, Err: io.Discard}
		var err error
		if test.command == "bulk" {
			err = (&pushCommand{cluster: to, NDJSON: true}).Run(t.Context(), term)
		} else {
			err = (&listenCommand{cluster: to, User: "42"}).Run(t.Context(), term)
		}
		if err == nil || !strings.Contains(err.Error(), test.want) {
			t.Errorf("%s %s: got %v, want %q", test.command, test.path, err, test.want)
		}
	}
}
