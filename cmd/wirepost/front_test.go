package main

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/netip"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/gorilla/websocket"

	"github.com/wirepost/wirepost"
	"github.com/wirepost/wirepost/auth"
	"github.com/wirepost/wirepost/internal/dial"
)

// These tests exercise `wirepost serve` from outside, by HTTP and WebSocket.

const frontKey = "a-key-for-this-test"

// closedApp is a server that requires keys and tokens.
func closedApp(t *testing.T, change func(*Config)) (address string) {
	t.Helper()
	_, address, _ = testApp(t, t.Context(), func(c *Config) {
		c.Dev, c.Echo = false, false
		c.APIKey, c.TokenSecret = []apiKey{frontKey}, []secret{testSecret}
		if change != nil {
			change(c)
		}
	})
	return address
}

func signed(t *testing.T, user string, ttl time.Duration) string {
	t.Helper()
	token, err := auth.Sign(testSecret, wirepost.Identity{User: user, Expires: time.Now().Add(ttl)})
	if err != nil {
		t.Fatal(err)
	}
	return token
}

// connect opens a wirepost.v1 connection with a token, or returns the status of the
// refusal.
func connect(t *testing.T, address, token string, header http.Header) (*websocket.Conn, int) {
	t.Helper()
	if header == nil {
		header = http.Header{}
	}
	header.Set("Authorization", "Bearer "+token)
	d := websocket.Dialer{HandshakeTimeout: patience, Subprotocols: []string{"wirepost.v1"}}
	c, response, err := d.Dial("ws"+strings.TrimPrefix(address, "http")+"/ws", header)
	if err != nil {
		if response == nil {
			t.Fatal(err)
		}
		return nil, response.StatusCode
	}
	t.Cleanup(func() { c.Close() })
	c.SetReadDeadline(time.Now().Add(patience))
	return c, response.StatusCode
}

// closing reads until the connection is closed and returns the close code.
func closing(t *testing.T, c *websocket.Conn) int {
	t.Helper()
	for {
		_, _, err := c.ReadMessage()
		if e, ok := errors.AsType[*websocket.CloseError](err); ok {
			return e.Code
		} else if err != nil {
			t.Fatal(err)
		}
	}
}

// ask sends a request with a key.
func ask(t *testing.T, method, url, key, body string, headers ...string) (status int, answer string) {
	t.Helper()
	r, err := http.NewRequestWithContext(t.Context(), method, url, strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	r.Header.Set("Authorization", "Bearer "+key)
	for _, h := range headers {
		name, value, _ := strings.Cut(h, ": ")
		r.Header.Set(name, value)
	}
	response, err := http.DefaultClient.Do(r)
	if err != nil {
		t.Fatal(err)
	}
	defer response.Body.Close()
	text, err := io.ReadAll(response.Body)
	if err != nil {
		t.Fatal(err)
	}
	return response.StatusCode, string(text)
}

// TestTokenEnds keeps a connection until its token expires, as announced in hello.
func TestTokenEnds(t *testing.T) {
	t.Parallel()
	address := closedApp(t, nil)
	var c *websocket.Conn
	var status int
	var end time.Time
	for ttl := 2 * time.Second; !time.Now().Before(end); ttl *= 2 { // or the leeway would count
		end = time.Now().Add(ttl).Truncate(time.Second) // as in a token
		c, status = connect(t, address, signed(t, "42", time.Until(end)), nil)
	}
	if status != 101 {
		t.Fatalf("with a token that still lives: %d", status)
	}
	var hello struct {
		Type    string `json:"type"`
		Expires int64  `json:"expires"`
	}
	if err := c.ReadJSON(&hello); err != nil || hello.Type != "hello" {
		t.Fatalf("%+v, %v", hello, err)
	}
	if hello.Expires != end.UnixMilli() {
		t.Errorf("hello says that the token ends at %s, and not at %s", time.UnixMilli(hello.Expires), end)
	}
	if code := closing(t, c); code != 4401 {
		t.Errorf("closed with %d", code)
	}
	if time.Now().Before(end) {
		t.Errorf("closed %s before its end", time.Until(end))
	}
}

// TestForgedTokens sends tokens that a client could forge.
func TestForgedTokens(t *testing.T) {
	t.Parallel()
	address := closedApp(t, func(c *Config) { c.TokenIssuer, c.TokenAudience = "https://id.example", []string{"push"} })
	for _, token := range []string{
		"", "x", "eyJhbGciOiJub25lIn0.eyJzdWIiOiI0MiIsImV4cCI6OTk5OTk5OTk5OX0.", frontKey,
		signed(t, "42", time.Hour), // right, but for nobody and by nobody
	} {
		for _, path := range []string{"/ws", "/sse", "/poll"} {
			status, answer := ask(t, "GET", address+path, token, "", "Connection: Upgrade", "Upgrade: websocket",
				"Sec-WebSocket-Version: 13", "Sec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==")
			if status != 401 || strings.Contains(answer, testSecret) {
				t.Errorf("%s with %.20q: %d %s", path, token, status, answer)
			}
		}
		if status, _ := ask(t, "GET", address+"/v1/stats", token, ""); status != 401 && token != frontKey {
			t.Errorf("the API with %.20q: %d", token, status)
		}
	}
}

// TestTokensForThisServer accepts tokens of the right issuer and audience only.
func TestTokensForThisServer(t *testing.T) {
	t.Parallel()
	address := closedApp(t, func(c *Config) { c.TokenIssuer, c.TokenAudience = "https://id.example", []string{"push"} })
	var out bytes.Buffer
	c := tokenCommand{TokenSecret: testSecret, User: "42", Audience: []string{"mail", "push"}, Issuer: "https://id.example", TTL: duration(time.Hour)}
	if err := c.Run(&terminal{Out: &out}); err != nil {
		t.Fatal(err)
	}
	if _, status := connect(t, address, strings.TrimSpace(out.String()), nil); status != 101 {
		t.Errorf("%d", status)
	}
}

// TestTokensRevoked closes a connection by revoking its token, which is then
// refused.
func TestTokensRevoked(t *testing.T) {
	t.Parallel()
	address := closedApp(t, nil)
	token := signed(t, "42", time.Hour)
	c, _ := connect(t, address, token, nil)
	other, _ := connect(t, address, signed(t, "43", time.Hour), nil)
	url := address + "/v1/users/42/sessions?revoke_before="
	if status, answer := ask(t, "DELETE", url+"2020-01-01T00:00:00Z", frontKey, ""); status != 200 || !strings.Contains(answer, `"disconnected":0`) {
		t.Errorf("tokens of long ago: %d %s", status, answer)
	}
	if status, answer := ask(t, "DELETE", url+"now", frontKey, ""); status != 200 || !strings.Contains(answer, `"disconnected":1`) {
		t.Errorf("now: %d %s", status, answer)
	}
	if code := closing(t, c); code != 4401 {
		t.Errorf("closed with %d", code)
	}
	if _, status := connect(t, address, token, nil); status != 401 {
		t.Errorf("with the revoked token: %d", status)
	}
	if _, status := connect(t, address, signed(t, "43", time.Hour), nil); status != 101 {
		t.Errorf("another user: %d", status)
	}
	other.Close()
}

// TestAddressBehindProxy checks the address of a session as its proxy reports it.
func TestAddressBehindProxy(t *testing.T) {
	t.Parallel()
	address := closedApp(t, func(c *Config) {
		c.TrustedProxy = []network{network(netip.MustParsePrefix("127.0.0.0/8"))}
		c.MaxAddressConnections = 1
	})
	forwarded := http.Header{"X-Forwarded-For": {"192.0.2.1, 198.51.100.7"}}
	if _, status := connect(t, address, signed(t, "42", time.Hour), forwarded); status != 101 {
		t.Fatalf("%d", status)
	}
	var user wirepost.UserInfo
	_, answer := ask(t, "GET", address+"/v1/users/42", frontKey, "")
	if err := json.Unmarshal([]byte(answer), &user); err != nil || len(user.Sessions) != 1 || user.Sessions[0].Address != "198.51.100.7" {
		t.Errorf("%s (%v)", answer, err)
	}
	if _, status := connect(t, address, signed(t, "43", time.Hour), forwarded); status != 429 {
		t.Errorf("another from the same address: %d", status)
	}
	if _, status := connect(t, address, signed(t, "43", time.Hour), http.Header{"X-Forwarded-For": {"198.51.100.8"}}); status != 101 {
		t.Errorf("one from another address: %d", status)
	}
}

// TestAddressBehindUnixSocket checks that connections over the socket have no
// address unless a trusted proxy there reports one.
func TestAddressBehindUnixSocket(t *testing.T) {
	t.Parallel()
	for _, trusted := range []bool{false, true} {
		dir, err := os.MkdirTemp("", "w") // t.TempDir may be too long for a socket
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { os.RemoveAll(dir) })
		path := filepath.Join(dir, "w.sock")
		at := closedApp(t, func(c *Config) {
			c.Listen, c.SocketMode, c.MaxAddressConnections = address("unix:"+path), 0o600, 1
			if trusted {
				c.TrustedProxy = []network{{}}
			}
		})
		if at != "unix:"+path {
			t.Fatalf("listening %s", at)
		}
		rest, dialUnix, _ := dial.Unix(at)
		client := &http.Client{Transport: &http.Transport{DialContext: dialUnix}}
		t.Cleanup(client.CloseIdleConnections)
		follow := func(user, from string) (status int) {
			r, err := http.NewRequestWithContext(t.Context(), http.MethodGet, rest+"/sse?token="+signed(t, user, time.Hour), nil)
			if err != nil {
				t.Fatal(err)
			}
			r.Header.Set("X-Forwarded-For", from)
			answer, err := client.Do(r)
			if err != nil {
				t.Fatal(err)
			}
			t.Cleanup(func() { answer.Body.Close() })
			return answer.StatusCode
		}
		if status := follow("42", "198.51.100.7"); status != 200 {
			t.Fatalf("%d", status)
		}
		other := http.StatusTooManyRequests
		want := ""
		if trusted {
			other, want = http.StatusOK, "198.51.100.7"
		}
		if status := follow("43", "198.51.100.8"); status != other {
			t.Errorf("trusted %t: another client has %d", trusted, status)
		}
		r, _ := http.NewRequestWithContext(t.Context(), http.MethodGet, rest+"/v1/users/42", nil)
		r.Header.Set("Authorization", "Bearer "+frontKey)
		answer, err := client.Do(r)
		if err != nil {
			t.Fatal(err)
		}
		var user wirepost.UserInfo
		err = json.NewDecoder(answer.Body).Decode(&user)
		answer.Body.Close()
		if err != nil || len(user.Sessions) != 1 || user.Sessions[0].Address != want {
			t.Errorf("trusted %t: %+v (%v)", trusted, user, err)
		}
	}
}

// TestRefusalsAreCounted exceeds limits and checks the metrics.
func TestRefusalsAreCounted(t *testing.T) {
	t.Parallel()
	address := closedApp(t, func(c *Config) {
		c.APIKey = append(c.APIKey, "push:a-key-for-pushing", "read:a-key-for-looking")
		c.PushRate, c.MaxUserConnections = 1, 1
	})
	push := func(key string) (int, string) { return ask(t, "POST", address+"/v1/push/a", key, "hello") }
	if status, answer := push("a-key-for-pushing"); status != 202 {
		t.Errorf("the first: %d %s", status, answer)
	}
	status, answer := push("a-key-for-pushing")
	if status != 429 || !strings.Contains(answer, `"retry_after":1`) {
		t.Errorf("the second: %d %s", status, answer)
	}
	if status, answer := push("a-key-for-looking"); status != 403 {
		t.Errorf("with a key for reading: %d %s", status, answer)
	}
	push("a-guess")
	connect(t, address, signed(t, "42", time.Hour), nil)
	if _, status := connect(t, address, signed(t, "42", time.Hour), nil); status != 429 {
		t.Errorf("a second connection: %d", status)
	}
	_, metrics := ask(t, "GET", address+"/metrics", "a-key-for-looking", "")
	for _, reason := range []string{"push_rate", "api_scope", "api_key", "user_connections"} {
		if !strings.Contains(metrics, fmt.Sprintf("wirepost_refused_total{reason=%q} 1\n", reason)) {
			t.Errorf("%s is not counted", reason)
		}
	}
}

// TestHugeHeads sends endless request headers; none of them is kept.
func TestHugeHeads(t *testing.T) {
	t.Parallel()
	address := closedApp(t, nil)
	for name, head := range map[string]string{
		"one line":   "GET /ws HTTP/1.1\r\nHost: x\r\nX: ",
		"many lines": "GET /ws HTTP/1.1\r\nHost: x\r\n",
		"the path":   "GET /",
	} {
		c, err := net.Dial("tcp", strings.TrimPrefix(address, "http://"))
		if err != nil {
			t.Fatal(err)
		}
		c.SetDeadline(time.Now().Add(patience))
		io.WriteString(c, head) //nolint:errcheck // the answer tells
		part, sent := strings.Repeat("a: b\r\n", 100), 0
		if name != "many lines" {
			part = strings.Repeat("x", 600)
		}
		for sent < 1<<20 {
			n, err := io.WriteString(c, part)
			if sent += n; err != nil {
				break
			}
		}
		answer, _ := io.ReadAll(c) // it may be cut off by what was sent too much
		c.Close()
		if len(answer) > 0 && !strings.HasPrefix(string(answer), "HTTP/1.1 431 ") {
			t.Errorf("%s: %.100q", name, answer)
		}
	}
}
