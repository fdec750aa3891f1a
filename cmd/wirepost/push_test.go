package main

import (
	"io"
	"log/slog"
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
	if err := c.Server.UnmarshalText([]byte(hs.URL)); err != nil {
		t.Fatal(err)
	}
	err = c.Run(t.Context(), &terminal{In: in, Out: io.Discard, Err: io.Discard})
	if err == nil || !strings.Contains(err.Error(), "401") {
		t.Errorf("got %v", err)
	}
}
