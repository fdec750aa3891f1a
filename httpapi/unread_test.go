package httpapi

import (
	"bufio"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/wirepost/wirepost"
)

// TestLinesWithoutReader: a client sends without end and reads no results. The server
// accepts no more than it can buffer, and closes the connection after a while.
func TestLinesWithoutReader(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		var pushed atomic.Int64
		f := &fake{push: func(ps []wirepost.Push) []wirepost.BatchResult {
			out := make([]wirepost.BatchResult, len(ps))
			for i := range ps {
				out[i].PushResult = wirepost.PushResult{To: ps[i].To, ID: "id", Seq: uint64(pushed.Add(1))}
			}
			return out
		}}
		handler := newHandler(f, Options{Keys: []string{testKey}, Logger: slog.New(slog.DiscardHandler)})
		server, client := net.Pipe()
		hs := &http.Server{Handler: handler}
		served := make(chan error, 1)
		go func() { served <- hs.Serve(&oneConn{conn: server, closed: make(chan struct{})}) }()

		line := `{"to":"room","data":"` + strings.Repeat("x", 200) + `"}` + "\n"
		head := "POST /v1/push HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer " + testKey +
			"\r\nContent-Type: application/x-ndjson\r\nTransfer-Encoding: chunked\r\n\r\n"
		var sent atomic.Int64
		writing := make(chan error, 1)
		go func() {
			_, err := io.WriteString(client, head)
			for err == nil {
				_, err = fmt.Fprintf(client, "%x\r\n%s\r\n", len(line), line)
				sent.Add(1)
			}
			writing <- err
		}()
		reader := bufio.NewReaderSize(client, 16)
		status, err := reader.ReadString('\n')
		if err != nil || !strings.Contains(status, "200") {
			t.Fatalf("%q %v", status, err)
		}
		for header := ""; header != "\r\n"; {
			if header, err = reader.ReadString('\n'); err != nil {
				t.Fatal(err)
			}
		}
		begun := time.Now()
		synctest.Wait() // until everything is blocked
		// One batch whose results are being written, one that is being collected, and
		// the line buffers.
		if n := sent.Load(); n > 3*batchPushes {
			t.Errorf("the server accepted %d lines without a result being read", n)
		}
		if n := pushed.Load(); n > 2*batchPushes {
			t.Errorf("the server pushed %d lines without a result being read", n)
		}
		<-writing
		if took := time.Since(begun); took < stallTime || took > 2*stallTime {
			t.Errorf("the server closed the connection after %s", took)
		}
		client.Close()
		hs.Close()
		<-served
		time.Sleep(time.Second) // net/http lingers before it closes
	})
}

// oneConn is a listener of one connection.
type oneConn struct {
	conn   net.Conn
	closed chan struct{}
}

func (l *oneConn) Accept() (net.Conn, error) {
	if c := l.conn; c != nil {
		l.conn = nil
		return c, nil
	}
	<-l.closed
	return nil, net.ErrClosed
}

func (l *oneConn) Close() error {
	close(l.closed)
	return nil
}

func (l *oneConn) Addr() net.Addr { return &net.TCPAddr{} }
