package main

import (
	"bufio"
	"bytes"
	"fmt"
	"io"
	"net/http"
	"time"
)

// pushNDJSON pushes in one request, one line per message, keeping up to inflight
// hundreds of lines without a result, because a stream is meant to be kept full.
func pushNDJSON(t *target, s *settings, inFlight int, turn time.Duration) (int, error) {
	in, out := io.Pipe()
	r, err := http.NewRequest("POST", "http://"+t.Address.String()+"/v1/push", in)
	if err != nil {
		return 0, err
	}
	r.Header.Set("Authorization", "Bearer "+apiKey)
	r.Header.Set("Content-Type", "application/x-ndjson")
	room := make(chan struct{}, inFlight)
	sent := make(chan int, 1)
	go func() {
		n := writeLines(out, room, s, turn)
		out.Close()
		sent <- n
	}()
	response, err := http.DefaultClient.Do(r)
	if err != nil {
		in.CloseWithError(err)
		return 0, err
	}
	defer response.Body.Close()
	answered := 0
	for lines := bufio.NewScanner(response.Body); lines.Scan(); answered++ {
		if !bytes.Contains(lines.Bytes(), []byte(`"seq"`)) {
			in.CloseWithError(io.ErrClosedPipe)
			return 0, fmt.Errorf("a line has the result %s (%s)", lines.Bytes(), response.Status)
		}
		<-room
	}
	in.CloseWithError(io.ErrClosedPipe)
	if n := <-sent; n != answered {
		return 0, fmt.Errorf("%d lines were sent, %d results received", n, answered)
	}
	return answered, nil
}

// writeLines writes lines while there is room and returns their number.
func writeLines(out io.Writer, room chan struct{}, s *settings, turn time.Duration) (n int) {
	end := time.Now().Add(turn)
	buffered := bufio.NewWriterSize(out, 16<<10)
	for time.Now().Before(end) {
		select {
		case room <- struct{}{}:
		default: // full: flush what is buffered
			if buffered.Flush() != nil {
				return n
			}
			room <- struct{}{}
		}
		if _, err := buffered.Write(append(pushLine(s.anyUser(), s.size), '\n')); err != nil {
			return n
		}
		n++
	}
	buffered.Flush() //nolint:errcheck // missing results are reported
	return n
}
