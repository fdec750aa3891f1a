package httpapi

import (
	"bufio"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/wirepost/wirepost"
)

// TestShortBodyIsOneBatch: a short body of known length is read to its end before its
// lines are pushed, together, and before the response begins. A longer one, and one of
// unknown length, are streams.
func TestShortBodyIsOneBatch(t *testing.T) {
	const lines = 200 // more than wakeLines
	var body strings.Builder
	var want []string
	for i := range lines {
		fmt.Fprintf(&body, `{"to":"room","data":%d}`+"\n", i)
		want = append(want, fmt.Sprint("room#", i+1))
	}
	half, rest := body.String()[:body.Len()/2], body.String()[body.Len()/2:]
	long := strings.Repeat("\n", shortBody)
	for _, tt := range []struct {
		name, head, first, second string
		streamed                  bool
	}{
		{"short", fmt.Sprint("Content-Length: ", body.Len()), half, rest, false},
		{"long", fmt.Sprint("Content-Length: ", body.Len()+len(long)), half, rest + long, true},
		{
			"unknown", "Transfer-Encoding: chunked",
			fmt.Sprintf("%x\r\n%s\r\n", len(half), half), fmt.Sprintf("%x\r\n%s\r\n0\r\n\r\n", len(rest), rest), true,
		},
	} {
		t.Run(tt.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				c := newLinesConn(t, tt.head)
				c.send(tt.first)
				if begun := len(c.received) > 0; begun != tt.streamed || begun != (len(c.batches) > 0) {
					t.Errorf("after half of the body: %d batches, the response has %d bytes", len(c.batches), len(c.received))
				}
				c.send(tt.second)
				got := c.results()
				if diff := cmp.Diff(want, got); diff != "" {
					t.Errorf("-want +got\n%s", diff)
				}
				if one := len(c.batches) == 1 && c.batches[0] == lines; one == tt.streamed {
					t.Errorf("batches of %d pushes", c.batches)
				}
			})
		})
	}
}

// TestShortBodyThatStops: a short body has the time limit of a single push. Its complete
// lines are pushed, and the last result says that it took too long.
func TestShortBodyThatStops(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := newLinesConn(t, "Content-Length: 1000")
		began := time.Now()
		c.send(`{"to":"room","data":1}` + "\n" + `{"to":"room","da`)
		if got := c.results(); strings.Join(got, ", ") != "room#1, 408 " {
			t.Errorf("%q", got)
		}
		// net/http needs up to a second to close the connection.
		if late := time.Since(bodyDeadline(began, 1000)); late < 0 || late > time.Second {
			t.Errorf("after %s", time.Since(began))
		}
	})
}

// linesConn is a connection with a bulk push to a server that stores nothing.
type linesConn struct {
	t        *testing.T
	conn     net.Conn
	received []byte // read it after send has returned
	ended    chan struct{}
	batches  []int // likewise
}

func newLinesConn(t *testing.T, header string) *linesConn {
	c := &linesConn{t: t, ended: make(chan struct{})}
	seq := uint64(0)
	f := &fake{push: func(ps []wirepost.Push) []wirepost.BatchResult {
		c.batches = append(c.batches, len(ps))
		out := make([]wirepost.BatchResult, len(ps))
		for i := range ps {
			seq++
			out[i].PushResult = wirepost.PushResult{To: ps[i].To, ID: "id", Seq: seq}
		}
		return out
	}}
	server, conn := net.Pipe()
	c.conn = conn
	hs := &http.Server{Handler: newHandler(f, Options{Keys: []string{testKey}, Logger: slog.New(slog.DiscardHandler)})}
	served := make(chan error, 1)
	go func() { served <- hs.Serve(&oneConn{conn: server, closed: make(chan struct{})}) }()
	go func() {
		defer close(c.ended)
		buf := make([]byte, 64<<10)
		for {
			n, err := conn.Read(buf)
			c.received = append(c.received, buf[:n]...)
			if err != nil {
				return
			}
		}
	}()
	t.Cleanup(func() {
		conn.Close()
		hs.Close()
		<-served
		time.Sleep(time.Second) // net/http lingers before it closes
	})
	c.send("POST /v1/push HTTP/1.1\r\nHost: x\r\nConnection: close\r\nAuthorization: Bearer " + testKey +
		"\r\nContent-Type: application/x-ndjson\r\n" + header + "\r\n\r\n")
	return c
}

// send returns when the server waits for more.
func (c *linesConn) send(text string) {
	c.t.Helper()
	if _, err := io.WriteString(c.conn, text); err != nil {
		c.t.Error(err)
	}
	synctest.Wait()
}

// results waits for the end of the response.
func (c *linesConn) results() []string {
	c.t.Helper()
	<-c.ended
	response, err := http.ReadResponse(bufio.NewReader(strings.NewReader(string(c.received))), nil)
	if err != nil {
		c.t.Fatal(err)
	}
	defer response.Body.Close()
	body, err := io.ReadAll(response.Body)
	if err != nil || response.StatusCode != http.StatusOK {
		c.t.Fatalf("%s %v", response.Status, err)
	}
	return readResults(c.t, body)
}
