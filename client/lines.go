package client

import (
	"context"
	"errors"
	"io"
	"sync"
	"time"
)

const (
	// sendChunk is how much is written at a time, in bytes; a line may be longer.
	sendChunk = 32 << 10
	// maxSilence is how long a request waits for more pushes before its response has
	// begun; then it ends with those it has. When a connection breaks in that time,
	// net/http reports it only after it has read the body to its end.
	maxSilence = time.Second
)

// request does one request of a stream: it sends the queued pushes, as lines, and reads
// their results. Progress says that there was one.
func (s *Stream) request(ctx context.Context, node int) (progress bool, err error) {
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	s.expectResults(ctx, cancel)
	progress, err = s.exchange(ctx, node)
	if context.Cause(ctx) == errSilent {
		err = errSilent
	}
	if progress && err == errStreamEnded {
		return true, nil // an idle stream; a server that shuts down refuses the next request
	}
	s.requester.leave(node, err)
	return progress, err
}

var errSilent = errors.New("the server did not respond in time")

// expectResults cancels a request when none of the pushes that were sent has got a result
// for as long as another request may take.
func (s *Stream) expectResults(ctx context.Context, cancel context.CancelCauseFunc) {
	timeout := s.requester.opts.Timeout
	var timer *time.Timer
	look := func() {
		s.mu.Lock()
		defer s.mu.Unlock()
		left := timeout
		if len(s.mu.sent) > 0 {
			left = time.Until(s.mu.since.Add(timeout))
		}
		switch {
		case ctx.Err() != nil:
		case left > 0:
			timer.Reset(left)
		default:
			cancel(errSilent)
		}
	}
	s.mu.Lock() // for timer
	defer s.mu.Unlock()
	timer = time.AfterFunc(timeout, look)
	context.AfterFunc(ctx, func() { timer.Stop() })
}

// exchange does the work of request.
func (s *Stream) exchange(ctx context.Context, node int) (progress bool, err error) {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	body, lines := io.Pipe()
	r, err := s.requester.newLinesRequest(ctx, node, body)
	if err != nil {
		return false, err
	}
	// Otherwise a server that refuses would read all of the body first, and that does
	// not end (RFC 9110 §10.1.1).
	r.Header.Set("Expect", "100-continue")
	var writer sync.WaitGroup
	defer writer.Wait()
	defer cancel()
	defer body.Close()
	begun := make(chan struct{}) // closed when the response has begun
	writer.Go(func() { s.send(ctx, lines, begun) })
	response, err := s.requester.nodes[node].do(r)
	close(begun)
	if err != nil {
		return false, err
	}
	defer response.Body.Close()
	if err := checkLines(response); err != nil {
		return false, err
	}
	return s.results(response.Body)
}

// send writes lines until the stream or the request ends, or the request is halted.
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

// nextChunk moves pushes from queued to sent, and appends their lines to chunk.
func (s *Stream) nextChunk(chunk []byte) (_ []byte, over bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.mu.halted {
		return nil, true
	}
	if len(s.mu.sent) == 0 {
		s.mu.since = time.Now()
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

// results reads a line for each push. The server ends the response when there are no
// more pushes, or when it shuts down.
func (s *Stream) results(body io.Reader) (progress bool, err error) {
	var later error // why some pushes are to be sent again
	err = eachLine(body, func(line []byte) error {
		again, err := s.result(line)
		switch {
		case err != nil:
			return err
		case again != nil:
			later = again
		default:
			progress = true
		}
		return nil
	})
	switch {
	case errors.Is(err, ErrProtocol):
		return progress, err
	case later != nil:
		return progress, later
	case err != nil:
		return progress, err
	case progress && s.complete():
		return true, nil
	}
	return progress, errStreamEnded
}

// complete reports whether every push that was sent has a result.
func (s *Stream) complete() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return len(s.mu.sent) == 0
}
