package dial

import (
	"bufio"
	"context"
	"crypto/tls"
	"crypto/x509"
	"encoding/base64"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/gorilla/websocket"
)

// echoes is a server that answers every message with itself.
func echoes(t *testing.T, start func(*httptest.Server)) *httptest.Server {
	hs := httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		c, err := new(websocket.Upgrader).Upgrade(w, r, nil)
		if err != nil {
			return
		}
		defer c.Close()
		for {
			kind, data, err := c.ReadMessage()
			if err != nil || c.WriteMessage(kind, data) != nil {
				return
			}
		}
	}))
	start(hs)
	t.Cleanup(hs.Close)
	return hs
}

// testProxy is a proxy that brings every host to one server.
type testProxy struct {
	server string // host:port
	status int    // for CONNECT
	mu     sync.Mutex
	asked  []string // host, and who asked
}

func (p *testProxy) seen(host, who string) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.asked = append(p.asked, strings.TrimSpace(host+" "+who))
}

// ServeHTTP takes CONNECT.
func (p *testProxy) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	who, _ := base64.StdEncoding.DecodeString(strings.TrimPrefix(r.Header.Get("Proxy-Authorization"), "Basic "))
	p.seen(r.Method+" "+r.Host, string(who))
	if p.status != 200 {
		w.WriteHeader(p.status)
		return
	}
	w.WriteHeader(http.StatusOK)
	here, rw, err := http.NewResponseController(w).Hijack()
	if err != nil {
		return
	}
	p.join(here, rw.Reader)
}

func (p *testProxy) join(here net.Conn, in io.Reader) {
	defer here.Close()
	there, err := net.Dial("tcp", p.server)
	if err != nil {
		return
	}
	go func() {
		defer there.Close()
		io.Copy(there, in) //nolint:errcheck // the other way tells
	}()
	io.Copy(here, there) //nolint:errcheck // the client tells
}

// socks takes connections of SOCKS5 (RFC 1928), with a name and a password (RFC 1929).
func (p *testProxy) socks(l net.Listener) {
	for {
		c, err := l.Accept()
		if err != nil {
			return
		}
		go func() {
			in := bufio.NewReader(c)
			text := func() string {
				n, _ := in.ReadByte()
				b := make([]byte, n)
				io.ReadFull(in, b) //nolint:errcheck // the client tells
				return string(b)
			}
			in.ReadByte() //nolint:errcheck // the version
			text()
			c.Write([]byte{5, 2})
			in.ReadByte() //nolint:errcheck // the version
			who := text() + ":" + text()
			c.Write([]byte{1, 0})
			io.ReadFull(in, make([]byte, 4)) //nolint:errcheck // connect, by name
			host := text()
			port := make([]byte, 2)
			io.ReadFull(in, port) //nolint:errcheck // the client tells
			p.seen(fmt.Sprintf("SOCKS %s:%d", host, int(port[0])<<8|int(port[1])), who)
			c.Write([]byte{5, 0, 0, 1, 0, 0, 0, 0, 0, 0})
			p.join(c, in)
		}()
	}
}

// TestProxy: every kind of proxy, for ws and wss.
func TestProxy(t *testing.T) {
	t.Parallel()
	for _, secured := range []bool{false, true} {
		start, scheme, port := (*httptest.Server).Start, "ws", "80"
		if secured {
			start, scheme, port = (*httptest.Server).StartTLS, "wss", "443"
		}
		hs := echoes(t, start)
		cfg := &tls.Config{RootCAs: x509.NewCertPool()}
		if secured {
			cfg.RootCAs.AddCert(hs.Certificate())
		}
		for _, kind := range []string{"http", "https", "socks5"} {
			t.Run(scheme+" by "+kind, func(t *testing.T) {
				cfg := cfg.Clone()
				p := &testProxy{server: hs.Listener.Addr().String(), status: 200}
				via := url.URL{Scheme: kind, User: url.UserPassword("me", "secret")}
				want := "CONNECT example.com:" + port + " me:secret"
				switch kind {
				case "socks5":
					l, err := net.Listen("tcp", "127.0.0.1:0")
					if err != nil {
						t.Fatal(err)
					}
					defer l.Close()
					go p.socks(l)
					via.Host, want = l.Addr().String(), "SOCKS example.com:"+port+" me:secret"
				default:
					front := httptest.NewUnstartedServer(p)
					if kind == "https" {
						front.StartTLS()
						cfg.RootCAs = cfg.RootCAs.Clone()
						cfg.RootCAs.AddCert(front.Certificate())
					} else {
						front.Start()
					}
					defer front.Close()
					via.Host = front.Listener.Addr().String()
				}
				// The certificates of httptest are for this name too.
				c, err := Dial(t.Context(), scheme+"://example.com/echo", Options{TLSConfig: cfg, Proxy: http.ProxyURL(&via)})
				if err != nil {
					t.Fatal(err)
				}
				defer c.CloseNow()
				c.TryWrite([]byte("hello"))
				if data, _, err := c.Read(); err != nil || string(data) != "hello" {
					t.Errorf("%q %v", data, err)
				}
				if len(p.asked) != 1 || p.asked[0] != want {
					t.Errorf("the proxy was asked %q, want %q", p.asked, want)
				}
			})
		}
	}
}

func TestProxyFails(t *testing.T) {
	t.Parallel()
	p := &testProxy{status: http.StatusProxyAuthRequired}
	front := httptest.NewServer(p)
	t.Cleanup(front.Close)
	at, _ := url.Parse(front.URL)
	at.User = url.UserPassword("me", "secret")
	dial := func(proxy func(*http.Request) (*url.URL, error)) error {
		_, err := Dial(t.Context(), "ws://example.com/", Options{Proxy: proxy})
		if err == nil || strings.Contains(err.Error(), "secret") {
			t.Errorf("%v", err)
		}
		return err
	}
	if e, ok := errors.AsType[*ProxyError](dial(http.ProxyURL(at))); !ok || e.Status != 407 {
		t.Errorf("refused: %v", e)
	}
	front.Close()
	if e, ok := errors.AsType[*ProxyError](dial(http.ProxyURL(at))); !ok || e.Status != 0 {
		t.Errorf("not there: %v", e)
	}
	if _, ok := errors.AsType[*ProxyError](dial(http.ProxyURL(&url.URL{Scheme: "ftp", Host: at.Host}))); !ok {
		t.Error("a proxy of ftp")
	}
	if _, ok := errors.AsType[*url.Error](dial(func(*http.Request) (*url.URL, error) { return nil, errors.New("no") })); !ok {
		t.Error("bad settings")
	}
}

// TestProxyCancel: a proxy that does not answer is left when the context ends.
func TestProxyCancel(t *testing.T) {
	t.Parallel()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	ctx, cancel := context.WithCancel(t.Context())
	go func() {
		c, err := l.Accept()
		if err != nil {
			return
		}
		defer c.Close()
		bufio.NewReader(c).ReadString('\n') //nolint:errcheck // it is there
		cancel()
		io.Copy(io.Discard, c) //nolint:errcheck // until the client leaves
	}()
	_, err = Dial(ctx, "ws://example.com/", Options{Proxy: http.ProxyURL(&url.URL{Scheme: "http", Host: l.Addr().String()})})
	if !errors.Is(err, context.Canceled) {
		t.Errorf("%v", err)
	}
}

// TestProxyEnvironment runs itself, because the environment is read once.
func TestProxyEnvironment(t *testing.T) {
	if address := os.Getenv("DIAL_ADDRESS"); address != "" {
		c, err := Dial(t.Context(), address, Options{})
		if err != nil {
			fmt.Println("failed:", err)
			return
		}
		c.CloseNow()
		fmt.Println("connected")
		return
	}
	t.Parallel()
	hs := echoes(t, (*httptest.Server).Start)
	for _, c := range []struct {
		name, variable, no, address string
		proxied                     bool
	}{
		{"a name", "HTTP_PROXY", "", "ws://wirepost.example/ws", true},
		{"small letters", "http_proxy", "", "ws://wirepost.example/ws", true},
		{"loopback", "HTTP_PROXY", "", "ws://" + hs.Listener.Addr().String(), false},
		{"excepted", "HTTP_PROXY", ".example", "ws://wirepost.example/ws", false},
		{"the other scheme", "HTTPS_PROXY", "", "ws://wirepost.example/ws", false},
		{"wss", "HTTPS_PROXY", "", "wss://wirepost.example/ws", true},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			p := &testProxy{server: hs.Listener.Addr().String(), status: 200}
			front := httptest.NewServer(p)
			defer front.Close()
			ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
			defer cancel()
			cmd := exec.CommandContext(ctx, os.Args[0], "-test.run=^TestProxyEnvironment$", "-test.v")
			cmd.Env = []string{"DIAL_ADDRESS=" + c.address, c.variable + "=" + front.URL, "NO_PROXY=" + c.no}
			out, err := cmd.CombinedOutput()
			if err != nil || (len(p.asked) == 1) != c.proxied {
				t.Errorf("asked the proxy %q: %s %v", p.asked, out, err)
			}
			// A name that does not exist, or TLS with a server that has none, fails.
			if want := !strings.HasPrefix(c.address, "wss") && (c.proxied || c.name == "loopback"); strings.Contains(string(out), "connected\n") != want {
				t.Errorf("%s", out)
			}
		})
	}
}

func TestUnix(t *testing.T) {
	t.Parallel()
	for address, want := range map[string][2]string{
		"unix:/run/w.sock":             {"http://localhost", "/run/w.sock"},
		"unix:///run/w.sock":           {"http://localhost", "/run/w.sock"},
		"unix:/run/w.sock:/ws?user=42": {"http://localhost/ws?user=42", "/run/w.sock"},
		"unix:w.sock:/ws":              {"http://localhost/ws", "w.sock"},
		"http://unix:80/":              {"http://unix:80/", ""},
	} {
		rest, dial, err := Unix(address)
		if rest != want[0] || err != nil || (dial != nil) != (want[1] != "") {
			t.Errorf("%s: %s %v", address, rest, err)
		}
		if dial != nil {
			_, err := dial(t.Context(), "", "")
			if e, ok := errors.AsType[*net.OpError](err); !ok || e.Addr.String() != want[1] {
				t.Errorf("%s: %v", address, err)
			}
		}
	}
	for _, address := range []string{"unix:", "unix://", "unix::/ws"} {
		if _, _, err := Unix(address); err == nil {
			t.Errorf("%s: no error", address)
		}
		if _, err := Dial(t.Context(), address, Options{}); err == nil || !strings.Contains(err.Error(), "no path of a socket") {
			t.Errorf("%s: %v", address, err)
		}
	}
	dir, err := os.MkdirTemp("", "w") // t.TempDir may be too long for a socket
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.RemoveAll(dir) })
	path := filepath.Join(dir, "w.sock")
	l, err := net.Listen("unix", path)
	if err != nil {
		t.Fatal(err)
	}
	echoes(t, func(hs *httptest.Server) {
		hs.Listener.Close()
		hs.Listener = l
		hs.Start()
	})
	c, err := Dial(t.Context(), "unix:"+path+":/echo", Options{})
	if err != nil {
		t.Fatal(err)
	}
	defer c.CloseNow()
	c.TryWrite([]byte("hello"))
	if data, _, err := c.Read(); err != nil || string(data) != "hello" {
		t.Errorf("%q %v", data, err)
	}
}
