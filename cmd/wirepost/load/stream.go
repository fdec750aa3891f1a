package load

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"strconv"
	"time"
)

const (
	// leaveTime is how long an interrupted run waits for pending messages.
	leaveTime = 2 * time.Second
	// maxResponse limits how much of an error response is read.
	maxResponse = 8 << 10
)

// A stream is a bulk push (NDJSON) that stays open. One goroutine sends; another,
// which belongs to the stream, reads the results.
type stream struct {
	conn net.Conn
	out  *bufio.Writer
	line []byte
	done chan struct{} // closed when there are no more results
	err  error         // why; set before done is closed
}

// openStream opens a stream. answered receives the results in the order of the
// pushes.
func openStream(ctx context.Context, t *Target, answered func(result, error)) (*stream, error) {
	conn, err := t.dial(ctx)
	if err != nil {
		return nil, err
	}
	s := &stream{conn: conn, out: bufio.NewWriterSize(conn, 64<<10), done: make(chan struct{})}
	s.out.WriteString(t.request("POST", "/v1/push", nil) + t.authorization() + //nolint:errcheck // Flush fails
		"Content-Type: application/x-ndjson\r\nTransfer-Encoding: chunked\r\n\r\n")
	if err := s.out.Flush(); err != nil {
		conn.Close() //nolint:errcheck // it is of no use
		return nil, err
	}
	go func() {
		defer close(s.done)
		s.err = s.readResults(answered)
	}()
	return s, nil
}

// send adds a push; flush sends the added ones.
func (s *stream) send(push []byte) error {
	s.line = strconv.AppendInt(s.line[:0], int64(len(push)+1), 16)
	s.line = append(s.line, "\r\n"...)
	s.line = append(s.line, push...)
	s.line = append(s.line, "\n\r\n"...)
	if s.out.Available() < len(s.line) {
		s.conn.SetWriteDeadline(time.Now().Add(stall)) //nolint:errcheck // Write fails
	}
	_, err := s.out.Write(s.line)
	return err
}

func (s *stream) flush() error {
	s.conn.SetWriteDeadline(time.Now().Add(stall)) //nolint:errcheck // Flush fails
	return s.out.Flush()
}

// end ends the request, waits for the results and closes the connection.
func (s *stream) end() error {
	defer s.conn.Close()                           //nolint:errcheck // all is sent and read
	s.conn.SetReadDeadline(time.Now().Add(stall))  //nolint:errcheck // reading fails
	s.conn.SetWriteDeadline(time.Now().Add(stall)) //nolint:errcheck // Flush fails
	s.out.WriteString("0\r\n\r\n")                 //nolint:errcheck // Flush fails
	if err := s.out.Flush(); err != nil {
		s.conn.Close() //nolint:errcheck // it ends the reader
	}
	<-s.done
	return s.err
}

func (s *stream) readResults(answered func(result, error)) error {
	in := bufio.NewReaderSize(s.conn, 64<<10)
	r, err := http.ReadResponse(in, nil)
	if err != nil {
		return fmt.Errorf("no response to the stream: %w", err)
	}
	if r.StatusCode != http.StatusOK {
		body, _ := io.ReadAll(io.LimitReader(r.Body, maxResponse))
		return refusal(r, body)
	}
	lines := bufio.NewScanner(r.Body)
	for lines.Scan() {
		if line := bytes.TrimSpace(lines.Bytes()); len(line) > 0 {
			answered(readResult(line))
		}
	}
	return lines.Err()
}

// broken closes a failed stream and returns the reason.
func (s *stream) broken() error {
	s.conn.SetReadDeadline(time.Now().Add(leaveTime)) //nolint:errcheck // the response may be on its way
	<-s.done
	if s.err != nil {
		return s.err
	}
	return errors.New("the server ended the stream")
}
