package client_test

import (
	"errors"
	"io"
	"net/http"
	"strings"
	"testing"

	"github.com/wirepost/wirepost/client"
)

// canned answers every request with the same body, and records the last one.
type canned struct {
	body string
	last *http.Request
}

func (c *canned) RoundTrip(r *http.Request) (*http.Response, error) {
	c.last = r
	return &http.Response{
		StatusCode: http.StatusOK, Header: http.Header{"Content-Type": {"application/json"}},
		Body: io.NopCloser(strings.NewReader(c.body)), Request: r,
	}, nil
}

func cannedBackend(t *testing.T, body string) (*client.Backend, *canned) {
	c := &canned{body: body}
	return newBackend(t, client.BackendOptions{Key: apiKey, HTTP: &http.Client{Transport: c}}), c
}

// TestMinSeq: every read of a channel can require a sequence.
func TestMinSeq(t *testing.T) {
	t.Parallel()
	b, c := cannedBackend(t, `{"messages":[],"next":1,"message":{"type":"message","channel":"room","seq":1,"prev":0,"id":"x","time":1,"data":1},"receipts":[]}`)
	ctx := t.Context()
	for name, get := range map[string]func(...client.ReadOption) error{
		"Channel":  func(o ...client.ReadOption) error { _, err := b.Channel(ctx, "room", o...); return err },
		"Messages": func(o ...client.ReadOption) error { _, _, err := b.Messages(ctx, "room", 1, 0, o...); return err },
		"Inbox":    func(o ...client.ReadOption) error { _, _, err := b.Inbox(ctx, "42", 1, 0, o...); return err },
		"Message":  func(o ...client.ReadOption) error { _, _, err := b.Message(ctx, "room", 1, o...); return err },
	} {
		for _, given := range []bool{false, true} {
			var options []client.ReadOption
			if given {
				options = append(options, client.MinSeq(7))
			}
			if err := get(options...); err != nil {
				t.Errorf("%s: %v", name, err)
			}
			if query := c.last.URL.Query(); query.Has("min_seq") != given || given && query.Get("min_seq") != "7" {
				t.Errorf("%s: %s", name, c.last.URL)
			}
		}
	}
}

// TestIncomplete: what is incomplete comes with ErrIncomplete.
func TestIncomplete(t *testing.T) {
	t.Parallel()
	ctx := t.Context()
	b, _ := cannedBackend(t, `{"disconnected":3,"incomplete":true}`)
	if n, err := b.Disconnect(ctx, "42", ""); n != 3 || !errors.Is(err, client.ErrIncomplete) {
		t.Errorf("Disconnect: %d, %v", n, err)
	}
	b, _ = cannedBackend(t, `{"user":"42","online":2,"sessions":[],"channels":{},"incomplete":true}`)
	if info, err := b.User(ctx, "42"); err != nil || !info.Incomplete {
		t.Errorf("User: %+v, %v", info, err)
	}
	b, _ = cannedBackend(t, `{"message":{"type":"message","channel":"room","seq":1,"prev":0,"id":"x","time":1,"data":1},"receipts":[{"user":"42","device":"","state":"stored"}],"incomplete":true}`)
	if m, receipts, err := b.Message(ctx, "room", 1); m == nil || len(receipts) != 1 || !errors.Is(err, client.ErrIncomplete) {
		t.Errorf("Message: %v, %v, %v", m, receipts, err)
	}
}
