package dial

import (
	"bufio"
	"context"
	"errors"
	"io"
	"net"
	"net/http"
	"strings"
	"testing"
	"testing/synctest"

	"github.com/wirepost/wirepost/internal/ws"
)

// lastByte calls done when the last byte of a response was read.
type lastByte struct {
	net.Conn
	done func()
}

func (l lastByte) Read(b []byte) (int, error) {
	n, err := l.Conn.Read(b)
	if strings.HasSuffix(string(b[:n]), "\r\n\r\n") {
		l.done()
	}
	return n, err
}

// TestLateContext: when the context is done just as the handshake is, nothing is left of
// the connection, not even its writer (synctest.Test would report the goroutine).
func TestLateContext(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		ctx, cancel := context.WithCancel(t.Context())
		ours, theirs := net.Pipe()
		go func() {
			r, err := http.ReadRequest(bufio.NewReader(theirs))
			if err != nil {
				t.Error(err)
				return
			}
			io.WriteString(theirs, "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"+ //nolint:errcheck // then Dial fails in another way
				"Sec-WebSocket-Accept: "+string(ws.AppendAccept(nil, r.Header.Get("Sec-WebSocket-Key")))+"\r\n\r\n")
		}()
		c, err := Dial(ctx, "ws://localhost/", Options{
			DialContext: func(context.Context, string, string) (net.Conn, error) { return lastByte{ours, cancel}, nil },
		})
		if c != nil || !errors.Is(err, context.Canceled) {
			t.Errorf("got %v, %v", c, err)
		}
		if _, err := theirs.Write([]byte{0}); err == nil {
			t.Error("the connection is still open")
		}
	})
}
