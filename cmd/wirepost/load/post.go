package load

import (
	"bufio"
	"context"
	"io"
	"net"
	"net/http"
	"strconv"
	"time"
)

// poster makes single pushes over one persistent connection. It must be used by one
// goroutine. net/http's client would use more CPU than the server.
type poster struct {
	conn net.Conn
	in   *bufio.Reader
	head string // up to the length
	out  []byte
}

func openPoster(ctx context.Context, t *Target) (*poster, error) {
	conn, err := t.dial(ctx)
	if err != nil {
		return nil, err
	}
	return &poster{
		conn: conn, in: bufio.NewReader(conn),
		head: t.request("POST", "/v1/push", nil) + t.authorization() + "Content-Type: application/json\r\nContent-Length: ",
	}, nil
}

// push returns the result. The second error breaks the connection, the first one is
// a refusal.
func (p *poster) push(body []byte) (r result, refused, broken error) {
	p.out = append(p.out[:0], p.head...)
	p.out = strconv.AppendInt(p.out, int64(len(body)), 10)
	p.out = append(p.out, "\r\n\r\n"...)
	p.out = append(p.out, body...)
	p.conn.SetDeadline(time.Now().Add(stall)) //nolint:errcheck // Write fails
	if _, err := p.conn.Write(p.out); err != nil {
		return result{}, nil, err
	}
	response, err := http.ReadResponse(p.in, nil)
	if err != nil {
		return result{}, nil, err
	}
	text, err := io.ReadAll(response.Body)
	if err != nil {
		return result{}, nil, err
	}
	if response.StatusCode != http.StatusCreated && response.StatusCode != http.StatusAccepted {
		return result{}, refusal(response, text), nil
	}
	r, refused = readResult(text)
	return r, refused, nil
}

func (p *poster) close() { p.conn.Close() } //nolint:errcheck // all is sent and read
