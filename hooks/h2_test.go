package hooks

import (
	"bytes"
	"context"
	"crypto/tls"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"golang.org/x/net/http2"
	"golang.org/x/net/http2/hpack"

	"github.com/wirepost/wirepost"
)

// overTLS makes hooks that trust a test server.
func overTLS(t *testing.T, hs *httptest.Server) *wirepost.Options {
	t.Helper()
	h, err := New(Options{URL: hs.URL, Timeout: time.Minute, Logger: slog.New(slog.DiscardHandler)})
	if err != nil {
		t.Fatal(err)
	}
	h.transport.TLSClientConfig = hs.Client().Transport.(*http.Transport).TLSClientConfig.Clone()
	t.Cleanup(h.Close)
	var o wirepost.Options
	h.Apply(&o)
	return &o
}

// TestHTTP2: a backend over TLS is asked by HTTP/2, and may end its connection with GOAWAY
// while others are asked.
func TestHTTP2(t *testing.T) {
	t.Parallel()
	var answered atomic.Int32
	var all sync.WaitGroup // the questions, which are under way together
	const most = 20
	all.Add(most)
	hs := httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.ProtoMajor != 2 {
			t.Errorf("asked by %s", r.Proto)
		}
		all.Done()
		all.Wait()
		if answered.Add(1) == most/2 {
			w.Header().Set("Connection", "close") // net/http sends GOAWAY
		}
		io.WriteString(w, `{"data":1}`) //nolint:errcheck // the test fails
	}))
	hs.EnableHTTP2 = true
	hs.StartTLS()
	defer hs.Close()
	o := overTLS(t, hs)
	ask := func() {
		if result, err := o.OnCall(t.Context(), wirepost.Session{User: "42"}, "m", nil); err != nil || result == nil {
			t.Error(result, err)
		}
	}
	var asking sync.WaitGroup
	for range most {
		asking.Go(ask)
	}
	asking.Wait()
	all.Add(1)
	ask()
	if n := answered.Load(); n != most+1 {
		t.Errorf("%d answers", n)
	}
}

// leaving is a backend that is restarted in the middle: of three questions it answers the
// first, and when it has the other two, says with GOAWAY that it will not process one of them.
func leaving(conn io.ReadWriter) {
	io.CopyN(io.Discard, conn, int64(len(http2.ClientPreface))) //nolint:errcheck // the next read says so
	f := http2.NewFramer(conn, conn)
	f.WriteSettings() //nolint:errcheck // likewise
	respond := func(stream uint32) {
		var head bytes.Buffer
		hpack.NewEncoder(&head).WriteField(hpack.HeaderField{Name: ":status", Value: "204"})                                      //nolint:errcheck // to memory
		f.WriteHeaders(http2.HeadersFrameParam{StreamID: stream, BlockFragment: head.Bytes(), EndHeaders: true, EndStream: true}) //nolint:errcheck // likewise
	}
	var asked []uint32
	for {
		frame, err := f.ReadFrame()
		if err != nil {
			return
		}
		switch fr := frame.(type) {
		case *http2.SettingsFrame:
			if !fr.IsAck() {
				f.WriteSettingsAck() //nolint:errcheck // likewise
			}
		case *http2.DataFrame:
			if !fr.StreamEnded() {
				continue
			}
			switch asked = append(asked, fr.StreamID); len(asked) {
			case 1:
				respond(asked[0])
			case 3:
				first := min(asked[1], asked[2])           // their bodies come in any order
				f.WriteGoAway(first, http2.ErrCodeNo, nil) //nolint:errcheck // likewise
				respond(first)
			}
		}
	}
}

// TestGoAway: a question that a backend has not processed when it is restarted is asked
// again on another connection, also a message, and each is processed once.
func TestGoAway(t *testing.T) {
	t.Parallel()
	var connections, asked atomic.Int32
	hs := httptest.NewUnstartedServer(nil)
	hs.TLS = &tls.Config{NextProtos: []string{"h2"}}
	hs.Config.TLSNextProto = map[string]func(*http.Server, *tls.Conn, http.Handler){
		"h2": func(_ *http.Server, c *tls.Conn, _ http.Handler) {
			if connections.Add(1) == 1 {
				leaving(c)
				return
			}
			//lint:ignore SA1019 the http.Server of net/http cannot serve a connection that was accepted here
			var s http2.Server
			//lint:ignore SA1019 likewise
			s.ServeConn(c, &http2.ServeConnOpts{Handler: http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
				asked.Add(1)
				w.WriteHeader(http.StatusNoContent)
			})})
		},
	}
	hs.StartTLS()
	defer hs.Close()
	o := overTLS(t, hs)
	ask := func() {
		if _, err := o.OnMessage(context.Background(), wirepost.Session{User: "42"}, wirepost.Frame{Data: []byte("1")}); err != nil {
			t.Error(err)
		}
	}
	ask()
	var asking sync.WaitGroup
	asking.Go(ask)
	asking.Go(ask)
	asking.Wait()
	if c, n := connections.Load(), asked.Load(); c != 2 || n != 1 {
		t.Errorf("%d connections, %d questions on the second one", c, n)
	}
}
