package main

import (
	"bufio"
	"context"
	"io"
	"log/slog"
	"net"
	"net/http"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/wirepost/wirepost/internal/testlog"
)

// testApp runs an App in dev mode without files. It returns the address and a
// channel that receives the result of Run. A log, if there is one, gets every line.
func testApp(t *testing.T, ctx context.Context, change func(*Config), logs ...io.Writer) (*App, string, <-chan error) {
	t.Helper()
	r, w := io.Pipe()
	t.Cleanup(func() { r.Close() })
	c := Config{common: common{
		Listen: "127.0.0.1:0", Engine: engineMemory, Drain: duration(5 * time.Second), MaxMessage: 1 << 10,
	}, Dev: true, Echo: true}
	change(&c)
	if c.Dev {
		c.eventSettings.forDev()
		c.webPushSettings.forDev()
	}
	app := &App{Config: c, Out: w, Log: slog.New(slog.DiscardHandler)}
	for _, log := range logs {
		app.Log = slog.New(slog.NewTextHandler(log, &slog.HandlerOptions{Level: slog.LevelDebug}))
	}
	done := make(chan error, 1)
	go func() {
		done <- app.Run(ctx)
		w.Close()
	}()
	lines := bufio.NewScanner(r)
	for lines.Scan() {
		if address, ok := strings.CutPrefix(lines.Text(), "listening "); ok {
			go io.Copy(io.Discard, r) //nolint:errcheck // what else it says
			return app, address, done
		}
	}
	t.Fatalf("no line with the address: %v", <-done)
	return nil, "", nil
}

func TestAppLeavesNothingBehind(t *testing.T) {
	before := goleak.IgnoreCurrent()
	ctx, cancel := context.WithCancel(t.Context())
	app, address, done := testApp(t, ctx, func(*Config) {})
	client := &http.Client{}
	response, err := client.Post(address+"/v1/push/user:42", "text/plain", strings.NewReader("hello"))
	if err != nil {
		t.Fatal(err)
	}
	response.Body.Close()
	if response.StatusCode != http.StatusAccepted {
		t.Errorf("push: %s", response.Status)
	}
	cancel()
	if err := <-done; err != nil {
		t.Errorf("Run: %v", err)
	}
	if err := app.Close(); err != nil {
		t.Errorf("second Close: %v", err)
	}
	client.CloseIdleConnections()
	goleak.VerifyNone(t, before, goleak.IgnoreAnyFunction("io.Copy"))
}

// TestSilentConnections: connections on which nothing was sent do not delay a shutdown, with
// TLS or without. net/http alone would wait 5 s for them, longer than Drain leaves it.
func TestSilentConnections(t *testing.T) {
	dir := t.TempDir()
	writePair(t, dir, 1, "cert.pem", "key.pem")
	for scheme, change := range map[string]func(*Config){
		"http":  func(*Config) {},
		"https": func(c *Config) { c.TLSCert, c.TLSKey = filepath.Join(dir, "cert.pem"), filepath.Join(dir, "key.pem") },
	} {
		t.Run(scheme, func(t *testing.T) {
			t.Parallel()
			ctx, cancel := context.WithCancel(t.Context())
			defer cancel()
			var log testlog.Buffer
			_, address, done := testApp(t, ctx, change, &log)
			address, ok := strings.CutPrefix(address, scheme+"://")
			if !ok {
				t.Fatalf("it listens on %s", address)
			}
			for range 3 {
				c, err := net.Dial("tcp", address)
				if err != nil {
					t.Fatal(err)
				}
				defer c.Close()
			}
			cancel()
			if err := <-done; err != nil {
				t.Error(err)
			}
			if strings.Contains(log.String(), "requests were cut off") {
				t.Errorf("the log:\n%s", log.String())
			}
		})
	}
}

func TestAppEndsWithItsListener(t *testing.T) {
	app, _, done := testApp(t, t.Context(), func(*Config) {})
	app.listener.Close()
	if err := <-done; err == nil || !strings.Contains(err.Error(), "closed") {
		t.Errorf("Run: %v", err)
	}
}

func TestAppURL(t *testing.T) {
	for listen, want := range map[address]string{
		"127.0.0.1:0": "http://127.0.0.1:", "localhost:0": "http://127.0.0.1:", ":0": "http://0.0.0.0:", "0.0.0.0:0": "http://0.0.0.0:",
	} {
		l, err := net.Listen("tcp4", string(listen))
		if err != nil {
			t.Fatal(err)
		}
		app := &App{Config: Config{common: common{Listen: listen}}, listener: l}
		if got := app.URL(); !strings.HasPrefix(got, want) || strings.HasSuffix(got, ":0") {
			t.Errorf("%s: %s, want %s…", listen, got, want)
		}
		l.Close()
	}
}
