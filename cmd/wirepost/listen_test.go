package main

import (
	"bytes"
	"context"
	"io"
	"log/slog"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/wirepost/wirepost"
	"github.com/wirepost/wirepost/auth"
	"github.com/wirepost/wirepost/client"
)

// interrupter is an output that interrupts the command at the last line a test waits
// for.
type interrupter struct {
	mu        sync.Mutex
	text      bytes.Buffer
	last      string
	interrupt func()
}

func (w *interrupter) Write(p []byte) (int, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.text.Write(p)
	if w.last != "" && strings.Contains(w.text.String(), w.last) {
		w.interrupt()
	}
	return len(p), nil
}

// servers parses the values of --server.
func servers(t *testing.T, urls ...string) []serverURL {
	t.Helper()
	list := make([]serverURL, len(urls))
	for i, u := range urls {
		if err := list[i].UnmarshalText([]byte(u)); err != nil {
			t.Fatal(err)
		}
	}
	return list
}

// listen runs the command against a server with some messages for user 42, until
// it has printed last.
func listen(t *testing.T, c *listenCommand, last string) (stdout, stderr string, err error) {
	t.Helper()
	srv, err := wirepost.New(wirepost.Options{Authenticate: auth.Dev(), Logger: slog.New(slog.DiscardHandler)})
	if err != nil {
		t.Fatal(err)
	}
	hs := httptest.NewServer(srv)
	defer hs.Close()
	defer srv.Shutdown(context.Background()) //nolint:errcheck // clients have gone
	for _, p := range []wirepost.Push{
		{Data: []byte(`{"a": 1}`)},
		{Data: []byte("a\n\x1b[2J"), ContentType: "text/plain"},
		{Data: []byte{0xFF, 0}, ContentType: "image/png"},
		{Data: []byte("<a/>"), ContentType: "application/xml"},
	} {
		p.To = "user:42"
		if _, err := srv.Push(t.Context(), p); err != nil {
			t.Fatal(err)
		}
	}
	if _, err := srv.Revoke(t.Context(), "user:42", 1); err != nil {
		t.Fatal(err)
	}
	ctx, interrupt := context.WithCancel(t.Context())
	defer interrupt()
	c.Server = servers(t, hs.URL)
	out := &interrupter{last: last, interrupt: interrupt}
	errs := &interrupter{last: last, interrupt: interrupt}
	err = c.Run(ctx, &terminal{Out: out, Err: errs})
	return out.text.String(), errs.text.String(), err
}

func TestListen(t *testing.T) {
	stdout, stderr, err := listen(t, &listenCommand{User: "42"}, "user:42 1 was revoked")
	if err != nil {
		t.Error(err)
	}
	want := "[user:42 2] a\\n\\x1b[2J\n[user:42 3] <2 bytes of image/png>\n[user:42 4] <a/>\n"
	if diff := cmp.Diff(want, stdout); diff != "" {
		t.Errorf("output (-want +got):\n%s", diff)
	}
	if !strings.Contains(stderr, "wirepost: connected as 42, 3 unread\n") {
		t.Errorf("stderr: %s", stderr)
	}
}

func TestListenJSON(t *testing.T) {
	c := &listenCommand{User: "42", JSON: true, Channel: []string{"news"}, After: "user:42=3,news=0"}
	stdout, _, err := listen(t, c, `"type":"revoke"`)
	if err != nil {
		t.Error(err)
	}
	for _, want := range []string{
		`{"type":"message","channel":"user:42","seq":4,"prev":3,"id":"`,
		`{"type":"revoke","channel":"user:42","seq":5,"revoked":1,"id":"`,
	} {
		if !strings.Contains(stdout, want) {
			t.Errorf("no %s in\n%s", want, stdout)
		}
	}
	if strings.Contains(stdout, `"seq":3,`) {
		t.Errorf("--after was passed over:\n%s", stdout)
	}
}

func TestListenRefused(t *testing.T) {
	for want, c := range map[string]*listenCommand{
		"another user's inbox":     {User: "42", Channel: []string{"user:43"}},
		`contains ' '`:             {User: "a b"},
		"--token":                  {},
		"a sequence of the inbox,": {User: "42", After: "a,b"},
	} {
		if _, _, err := listen(t, c, ""); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("got %v, want …%s…", err, want)
		}
	}
}

// TestListenNeedsToken: a server that is not in dev mode takes no --user.
func TestListenNeedsToken(t *testing.T) {
	srv, err := wirepost.New(wirepost.Options{
		VerifyToken: func(context.Context, string) (wirepost.Identity, error) { return wirepost.Identity{User: "42"}, nil },
		Logger:      slog.New(slog.DiscardHandler),
	})
	if err != nil {
		t.Fatal(err)
	}
	hs := httptest.NewServer(srv)
	defer hs.Close()
	defer srv.Shutdown(context.Background()) //nolint:errcheck // there are no clients
	c := &listenCommand{User: "42"}
	c.Server = servers(t, hs.URL)
	if err := c.Run(t.Context(), &terminal{Out: io.Discard, Err: io.Discard}); err == nil || !strings.Contains(err.Error(), "others need --token") {
		t.Errorf("got %v", err)
	}
}

// TestListenWarns checks that notices do not go to the output, and that text from a
// server is made safe for the terminal.
func TestListenWarns(t *testing.T) {
	var errs bytes.Buffer
	c, term := &listenCommand{}, &terminal{Out: io.Discard, Err: &errs}
	c.tell(term, client.Gap{Channel: "news", After: 8, ResumedAt: 12})
	c.tell(term, client.Disconnected{Err: &client.CloseError{Code: 1012, Reason: "re\x1bstart"}, Retry: 3_700_000_000})
	c.tell(term, client.Unsubscribed{Channel: "a", Err: &client.CommandError{Code: "forbidden", Message: "no"}})
	c.tell(term, client.State{})
	want := "wirepost: gap in news: messages after 8 were removed, resuming at 12\n" +
		"wirepost: the server closed the connection with 1012: re\\x1bstart; reconnecting in 3.7s\n" +
		"wirepost: no longer subscribed to a: forbidden: no\n"
	if diff := cmp.Diff(want, errs.String()); diff != "" {
		t.Errorf("stderr (-want +got):\n%s", diff)
	}
}
