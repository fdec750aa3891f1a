package main

import (
	"bufio"
	"bytes"
	"fmt"
	"io"
	"net"
	"net/http"
	"runtime"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/wirepost/wirepost/hooks"
)

// TestPushesSame: a push has the same response whether package http1 serves it, or
// net/http, to which a connection is left by any other request.
func TestPushesSame(t *testing.T) {
	t.Parallel()
	address := strings.TrimPrefix(closedApp(t, func(c *Config) {
		c.APIKey = append(c.APIKey, "read:only")
		c.MaxMessage = 1000
	}), "http://")
	const auth, json = "Authorization: Bearer " + frontKey + "\r\n", "Content-Type: application/json\r\n"
	const lines = "Content-Type: application/x-ndjson\r\n"
	for name, tt := range map[string]struct{ target, header, body string }{
		"json":           {"/v1/push", auth + json, `{"to":"user:1","data":{"a":[1]},"id":"1"}`},
		"again":          {"/v1/push", auth + json, `{"to":"user:1","data":{"a":[1]},"id":"1"}`},
		"list":           {"/v1/push", auth + json, `{"to":["user:1","room"],"data":"x","id":"2"}`},
		"raw":            {"/v1/push/user:1?id=3&ttl=1h", auth + "Content-Type: text/plain\r\n", "hello"},
		"slash":          {"/v1/push/a%2Fb/c?id=4", auth, "\x00\xff"},
		"lines":          {"/v1/push", auth + lines, `{"to":"user:1","data":1,"id":"5"}` + "\n" + `{"to":"room","data":2,"id":"6"}` + "\n"},
		"bad line":       {"/v1/push", auth + lines, `{"to":"user:1","data":1,"id":"7"}` + "\n{\n"},
		"no lines":       {"/v1/push", auth + lines, ""},
		"no key":         {"/v1/push", json, `{"to":"user:1","data":1}`},
		"other key":      {"/v1/push", "Authorization: Bearer x\r\n" + json, `{"to":"user:1","data":1}`},
		"reader's key":   {"/v1/push", "Authorization: Bearer only\r\n" + json, `{"to":"user:1","data":1}`},
		"no type":        {"/v1/push", auth, `{"to":"user:1","data":1,"id":"8"}`},
		"broken":         {"/v1/push", auth + json, `{"to":"user:1",`},
		"empty":          {"/v1/push", auth + json, ``},
		"unknown member": {"/v1/push", auth + json, `{"to":"user:1","data":1,"dta":2}`},
		"bad name":       {"/v1/push", auth + json, `{"to":"user:","data":1}`},
		"too long":       {"/v1/push", auth + json, `{"to":"user:1","data":"` + strings.Repeat("x", 1001) + `"}`},
		"encoded":        {"/v1/push", auth + json + "Content-Encoding: gzip\r\n", `{}`},
		"query":          {"/v1/push?id=1", auth + json, `{"to":"user:1","data":1}`},
		"bad query":      {"/v1/push/user:1?ttl=x", auth, "1"},
		"no channel":     {"/v1/push/", auth, "1"},
		"no route":       {"/v1/pushes", auth, "1"},
		"two slashes":    {"/v1/push//a", auth, "1"},
	} {
		t.Run(name, func(t *testing.T) {
			request := fmt.Sprintf("POST %s HTTP/1.1\r\nHost: %s\r\n%sContent-Length: %d\r\n\r\n%s", tt.target, address, tt.header, len(tt.body), tt.body)
			askAll(t, address, request) // so that both of the others repeat a push
			wantSame(t, address, request)
		})
	}
}

// wantSame checks that a request has the same response from package http1 as from net/http, to
// which it comes after one that only net/http serves.
func wantSame(t *testing.T, address, request string) {
	t.Helper()
	served := askAll(t, address, request)
	left := askAll(t, address, "GET /healthz HTTP/1.1\r\nHost: "+address+"\r\n\r\n"+request)
	if diff := cmp.Diff(left[1:], served); diff != "" {
		t.Errorf("-net/http +http1\n%s", diff)
	}
}

// TestHandshakesSame: a handshake, too, has the same response whoever serves it.
func TestHandshakesSame(t *testing.T) {
	t.Parallel()
	address := strings.TrimPrefix(closedApp(t, nil), "http://")
	const key = "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n"
	token := "?access_token=" + signed(t, "42", time.Hour)
	for name, tt := range map[string]struct{ query, header string }{
		"plain":          {token, key},
		"subprotocol":    {token, key + "Sec-WebSocket-Protocol: wirepost.v1\r\n"},
		"no token":       {"", key},
		"bad token":      {"?access_token=x", key},
		"other origin":   {token, key + "Origin: http://example.com\r\n"},
		"bad key":        {token, "Sec-WebSocket-Key: x\r\n"},
		"no key":         {token, ""},
		"two keys":       {token, key + key},
		"bad parameter":  {token + "&device=%00", key},
		"bad query":      {token + "&a;b", key},
		"with a body":    {token, key + "Content-Length: 2\r\n"},
		"cookie":         {token, key + "Cookie: a=b\r\n"},
		"not its origin": {token, key + "Origin: null\r\n"},
	} {
		t.Run(name, func(t *testing.T) {
			request := "GET /ws" + tt.query + " HTTP/1.1\r\nHost: " + address + "\r\nConnection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\n" + tt.header + "\r\n"
			wantSame(t, address, request)
		})
	}
}

// TestSmall: package http1 has pushes, and handshakes about which no hook is asked.
func TestSmall(t *testing.T) {
	t.Parallel()
	without, with := &App{}, &App{hooks: &hooks.Hooks{}}
	for request, want := range map[string][2]bool{
		"POST /v1/push":             {true, true},
		"POST /v1/push/user:42?a=b": {true, true},
		"POST /v1/pushes":           {false, false},
		"POST /ws":                  {false, false},
		"GET /v1/push":              {false, false},
		"GET /ws":                   {true, false},
		"GET /ws?user=42":           {true, false},
		"GET /wss":                  {false, false},
	} {
		method, target, _ := strings.Cut(request, " ")
		if got := [2]bool{without.isSmall(method, []byte(target)), with.isSmall(method, []byte(target))}; got != want {
			t.Errorf("%s: without and with hooks %v, want %v", request, got, want)
		}
	}
}

// askAll sends requests over one connection, and returns the responses.
func askAll(t *testing.T, address, requests string) (all []string) {
	t.Helper()
	c, err := net.Dial("tcp", address)
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	c.SetDeadline(time.Now().Add(patience)) //nolint:errcheck // the next call says so
	if _, err := io.WriteString(c, requests); err != nil {
		t.Fatal(err)
	}
	in := bufio.NewReader(c)
	for range strings.Count(requests, " HTTP/1.1\r\n") {
		r, err := http.ReadResponse(in, nil)
		if err != nil {
			t.Fatal(err)
		}
		body, err := io.ReadAll(r.Body)
		r.Body.Close()
		r.Header.Del("Date")
		r.Header.Del("Content-Length") // lines have none from net/http
		all = append(all, fmt.Sprintf("%s %v\n%s %v", r.Status, r.Header, body, err))
	}
	return all
}

// TestSocketsBelowPushes: a WebSocket belongs to an event loop, although package http1 has
// seen its connection before, and has no goroutine.
func TestSocketsBelowPushes(t *testing.T) {
	if runtime.GOOS != "linux" {
		t.Skip("elsewhere a socket has goroutines")
	}
	address := closedApp(t, nil)
	for range 3 {
		c, status := connect(t, address, signed(t, "42", time.Hour), nil)
		if c == nil {
			t.Fatal(status)
		}
		defer c.Close()
	}
	stacks := make([]byte, 4<<20)
	stacks = stacks[:runtime.Stack(stacks, true)]
	if at := bytes.Index(stacks, []byte("internal/conn.(*stream)")); at >= 0 {
		t.Errorf("a socket has a goroutine: %s", stacks[at:min(at+500, len(stacks))])
	}
}

// TestRoutesThatAreOff: what a flag turns on says so where it is off.
func TestRoutesThatAreOff(t *testing.T) {
	address := closedApp(t, nil)
	for _, name := range []string{"console", "echo"} {
		response, err := http.Get(address + "/" + name)
		if err != nil {
			t.Fatal(err)
		}
		body, err := io.ReadAll(response.Body)
		response.Body.Close()
		if err != nil || response.StatusCode != http.StatusNotFound || !strings.Contains(string(body), "--"+name+" turns it on") {
			t.Errorf("%s: %s, %s, %v", name, response.Status, body, err)
		}
	}
}
