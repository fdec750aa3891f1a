package hooks_test

import (
	"context"
	"io"
	"log/slog"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/wirepost/wirepost"
	"github.com/wirepost/wirepost/hooks"
)

// TestBadResponses: whatever is not a response in time allows nothing and is no reply. The
// client is notified that the application does not respond, without a word of the response;
// and the next question is answered. (TestConnectAnswers has the same for connect.)
func TestBadResponses(t *testing.T) {
	t.Parallel()
	b := newBackend(t)
	made := func(timeout time.Duration) *wirepost.Options {
		h, err := hooks.New(hooks.Options{URL: b.url, Timeout: timeout, Logger: slog.New(slog.DiscardHandler)})
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(h.Close)
		var o wirepost.Options
		h.Apply(&o)
		return &o
	}
	patient, hasty := made(patience), made(50*time.Millisecond)
	s := wirepost.Session{User: "42", Connection: "c", Mode: "wirepost.v1"}
	ask := map[string]func(o *wirepost.Options) error{
		"subscribe": func(o *wirepost.Options) error { return o.OnSubscribe(context.Background(), s, "room:7") },
		"publish": func(o *wirepost.Options) error {
			return o.OnPublish(context.Background(), s, &wirepost.Push{To: "room:7", Data: []byte("1")})
		},
		"message": func(o *wirepost.Options) error {
			_, err := o.OnMessage(context.Background(), s, wirepost.Frame{Data: []byte("1")})
			return err
		},
		"call": func(o *wirepost.Options) error {
			_, err := o.OnCall(context.Background(), s, "m", nil)
			return err
		},
	}
	for name, tt := range map[string]struct {
		slow   bool
		answer http.HandlerFunc
	}{
		"HTML":      {false, reply(200, `<html>internal</html>`)},
		"not UTF-8": {false, reply(200, "{\"data\":\"\xff\"}")},
		"10 MB": {false, func(w http.ResponseWriter, _ *http.Request) {
			io.WriteString(w, `{"data":"`+strings.Repeat("x", 10<<20)+`"}`) //nolint:errcheck // cut
		}},
		"a redirect": {false, func(w http.ResponseWriter, r *http.Request) {
			http.Redirect(w, r, b.url+"/elsewhere", http.StatusTemporaryRedirect)
		}},
		"half": {false, func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Content-Length", "100")
			io.WriteString(w, `{"data":1}`) //nolint:errcheck // cut
		}},
		"another protocol": {false, switchProtocols},
		"broken off":       {false, func(http.ResponseWriter, *http.Request) { panic(http.ErrAbortHandler) }},
		"slow":             {true, func(_ http.ResponseWriter, r *http.Request) { <-r.Context().Done() }},
		"slowloris": {true, func(w http.ResponseWriter, r *http.Request) {
			for r.Context().Err() == nil {
				io.WriteString(w, " ") //nolint:errcheck // cut
				http.NewResponseController(w).Flush()
				time.Sleep(time.Millisecond)
			}
		}},
	} {
		for kind, f := range ask {
			o := patient
			if tt.slow {
				o = hasty
			}
			b.answer(kind, tt.answer)
			err := wirepost.AsError(f(o))
			if err == nil || err.Code != wirepost.CodeUnavailable || strings.Contains(err.Message, "internal") {
				t.Errorf("%s, %s: %v", kind, name, err)
			}
			b.answer(kind, reply(200, `{}`))
			if err := f(patient); err != nil {
				t.Errorf("%s, after %s: %v", kind, name, err)
			}
		}
	}
}

// switchProtocols responds with 101, and leaves the connection open until the client closes
// it.
func switchProtocols(w http.ResponseWriter, _ *http.Request) {
	conn, _, err := http.NewResponseController(w).Hijack()
	if err != nil {
		return
	}
	defer conn.Close()
	io.WriteString(conn, "HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: x\r\n\r\n") //nolint:errcheck // closed
	conn.Read(make([]byte, 1))                                                                            //nolint:errcheck // it ends
}
