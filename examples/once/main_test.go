package main

import (
	"context"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/wirepost/wirepost"
)

func TestOnce(t *testing.T) {
	srv, err := wirepost.New(wirepost.Options{
		Authenticate: func(*http.Request) (wirepost.Identity, error) { return wirepost.Identity{User: "guest"}, nil },
	})
	if err != nil {
		t.Fatal(err)
	}
	defer srv.Shutdown(context.Background())
	server := httptest.NewServer(srv.Echo())
	defer server.Close()
	if err := once(strings.Replace(server.URL, "http", "ws", 1), "hello"); err != nil {
		t.Error(err)
	}
	if err := once("ws://"+strings.TrimPrefix(server.URL, "http://")+"/no\x00", "hello"); err == nil {
		t.Error("a bad address is no error")
	}
}
