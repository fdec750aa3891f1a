package client

import (
	"bufio"
	"bytes"
	"context"
	"io"
	"net/http"
	"sync"
	"time"
)

const (
	// sendChunk is how much is written at a time, in bytes; a line may be longer.
	sendChunk = 32 << 10
	// maxAnswerLine is the longest line of answer, in bytes.
	maxAnswerLine = 1 << 20
	// maxSilence is how long a request waits for more pushes before its answer has
	// begun; then it ends with those it has. When a connection breaks in that time,
	// net/http does not tell before it has read the body up to its end.
	maxSilence = time.Second
)

// request is one request of a stream: it sends what is queued, as lines, and takes
// the answers. Answered says that there was one.
func (s *Stream) request(ctx context.Context) (answered bool, err error) {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	body, lines := io.Pipe()
	r, err := s.backend.newRequest(ctx, http.MethodPost, pushPath, body)
	if err != nil {
		return false, err
	}
	r.Header.Set("Content-Type", "application/x-ndjson")
	// A server that refuses would otherwise want all of the body first, and that has
	// no end (RFC 9110 §10.1.1).
	r.Header.Set("Expect", "100-continue")
	var writer sync.WaitGroup
	defer writer.Wait()
	defer cancel()
	defer body.Close()
	begun := make(chan struct{}) // the answer has
	writer.Go(func() { s.send(ctx, lines, begun) })
	response, err := s.backend.opts.HTTP.Do(r)
	close(begun)
	if err != nil {
		return false, err
	}
	defer response.Body.Close()
	if response.StatusCode != http.StatusOK {
		text, _ := io.ReadAll(io.LimitReader(response.Body, maxAnswerLine))
		return false, refused(response.StatusCode, response.Header, text)
	}
	return s.answers(response.Body)
}

// send writes lines until the stream ends, the request does, or it is halted.
func (s *Stream) send(ctx context.Context, lines *io.PipeWriter, begun <-chan struct{}) {
	defer lines.Close() //nolint:errcheck // it cannot fail
	patience := time.NewTimer(maxSilence)
	defer patience.Stop()
	var chunk []byte
	for {
		var over bool
		if chunk, over = s.nextChunk(chunk[:0]); over {
			return
		}
		if len(chunk) > 0 {
			if _, err := lines.Write(chunk); err != nil {
				return // the request has ended
			}
			continue
		}
		select {
		case <-s.more:
		case <-ctx.Done():
			return
		case <-begun:
			begun = nil
			patience.Stop()
		case <-patience.C:
			return
		}
	}
}

// nextChunk moves pushes from those that are queued to those that are sent.
func (s *Stream) nextChunk(chunk []byte) (_ []byte, over bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.mu.halted {
		return nil, true
	}
	n := 0
	for n < len(s.mu.queued) && len(chunk) < sendChunk {
		chunk = append(chunk, s.mu.queued[n].line...)
		n++
	}
	s.mu.sent = append(s.mu.sent, s.mu.queued[:n]...)
	clear(s.mu.queued[:n])
	if s.mu.queued = s.mu.queued[n:]; len(s.mu.queued) == 0 {
		s.mu.queued = nil
	}
	return chunk, n == 0 && s.mu.ending
}

// answers reads one line for each push. The server ends them when there are no more
// pushes, or when it shuts down.
func (s *Stream) answers(body io.Reader) (answered bool, err error) {
	in := bufio.NewScanner(body)
	in.Buffer(make([]byte, 0, 16<<10), maxAnswerLine)
	in.Split(wholeLines)
	var later error // why some have to be sent again
	for in.Scan() {
		line := bytes.TrimSpace(in.Bytes())
		if len(line) == 0 {
			continue
		}
		again, err := s.answer(line)
		if err != nil {
			return answered, err
		}
		if again != nil {
			later = again
		} else {
			answered = true
		}
	}
	switch err := in.Err(); {
	case later != nil:
		return answered, later
	case err != nil:
		return answered, err
	case answered && s.complete():
		return true, nil
	}
	return answered, errStreamEnded
}

// complete says whether all that was sent was answered.
func (s *Stream) complete() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return len(s.mu.sent) == 0
}

// wholeLines splits like bufio.ScanLines, but leaves out a line that was cut.
func wholeLines(data []byte, atEOF bool) (advance int, token []byte, err error) {
	if i := bytes.IndexByte(data, '\n'); i >= 0 {
		return i + 1, data[:i], nil
	}
	if atEOF {
		return len(data), nil, nil
	}
	return 0, nil, nil
}
