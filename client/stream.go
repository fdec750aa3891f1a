package client

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"time"
)

// Stream pushes many messages over one request at a time, each sent without waiting
// for the results of those before it. Pushes without a result when a request breaks
// are sent again by the next one, in the same order; their IDs keep them from being
// stored twice. Its methods are safe for concurrent use. The caller of Backend.Stream
// calls Close.
type Stream struct {
	// Static.
	requester *requester
	leave     context.CancelFunc
	done      chan struct{} // closed when run has ended
	more      chan struct{} // there is something to send, or Close was called

	mu struct {
		sync.Mutex
		queued []*Pending // not sent by this request
		sent   []*Pending // sent, without a result
		since  time.Time  // of the last result, or of sending the first of sent
		failed []*Pending // to be sent again; they come before sent
		count  int        // of all of them
		bytes  int        // of their lines
		room   chan struct{}
		ending bool  // Close was called
		halted bool  // this request sends no more
		err    error // why the stream has ended

		missed []*Pending // the first that failed and whose Wait was not called
		more   int        // how many others there are
	}
}

// Pending is a push whose result may not have come yet.
type Pending struct {
	stream   *Stream
	line     []byte
	to, id   string
	attempts int // responses of 500
	done     chan struct{}
	pushed   PushResult // valid when done is closed
	err      error      // the same
	waited   bool       // guarded by the stream's mutex: Wait has returned err
}

const (
	maxMissed       = 16      // failed pushes that Close names
	maxPending      = 8192    // pushes without a result
	maxPendingBytes = 8 << 20 // of their lines
	maxAttempts     = 5       // at a push whose result is 500
)

// Stream begins a stream of pushes. The context bounds the whole stream: when it ends,
// pushes without a result fail.
func (b *Backend) Stream(ctx context.Context) *Stream {
	ctx, cancel := context.WithCancel(ctx)
	s := &Stream{requester: &b.requester, leave: cancel, done: make(chan struct{}), more: make(chan struct{}, 1)}
	go s.run(ctx)
	return s
}

// Push queues a push. It waits while too many have no result yet; Pending.Wait waits
// for the result. Pushes to one channel are stored in the order of these calls.
func (s *Stream) Push(ctx context.Context, push Push) (*Pending, error) {
	line, err := encodePush(&push, []string{push.To})
	if err != nil {
		return nil, err
	}
	pd := &Pending{stream: s, line: append(line, '\n'), to: push.To, id: push.ID, done: make(chan struct{})}
	for {
		room, err := s.add(pd)
		if err != nil {
			return nil, err
		}
		if room == nil {
			return pd, nil
		}
		select {
		case <-room:
		case <-ctx.Done():
			return nil, ctx.Err()
		}
	}
}

// add queues a push. If the queue is full it returns a channel that is closed when
// there may be room.
func (s *Stream) add(pd *Pending) (room <-chan struct{}, err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	switch {
	case s.mu.err != nil:
		return nil, s.mu.err
	case s.mu.ending:
		return nil, ErrClosed
	case s.mu.count >= maxPending || s.mu.bytes >= maxPendingBytes:
		if s.mu.room == nil {
			s.mu.room = make(chan struct{})
		}
		return s.mu.room, nil
	}
	s.mu.queued = append(s.mu.queued, pd)
	s.mu.count++
	s.mu.bytes += len(pd.line)
	notify(s.more)
	return nil, nil
}

// Wait waits for the result. The error of a push that the server refused is a
// *RefusedError.
func (pd *Pending) Wait(ctx context.Context) (PushResult, error) {
	select {
	case <-pd.done:
		if pd.err != nil {
			pd.stream.reported(pd)
		}
		return pd.pushed, pd.err
	case <-ctx.Done():
		return PushResult{}, ctx.Err()
	}
}

// Done is closed when there is a result.
func (pd *Pending) Done() <-chan struct{} { return pd.done }

// Close accepts no more pushes and waits for the results of those that were queued.
// The error joins why the stream ended early, if it did, and the error of every push
// that failed and whose Wait was not called: the first 16 with channel and ID, then
// the number of the others.
func (s *Stream) Close() error {
	s.mu.Lock()
	s.mu.ending = true
	s.wakeLocked()
	s.mu.Unlock()
	notify(s.more)
	<-s.done
	s.leave()
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.resultLocked()
}

// resultLocked is the error of a stream that has ended.
func (s *Stream) resultLocked() error {
	var errs []error
	if s.mu.err != ErrClosed {
		errs = append(errs, s.mu.err)
	}
	for _, pd := range s.mu.missed {
		errs = append(errs, fmt.Errorf("push %s to %s: %w", pd.id, pd.to, pd.err))
	}
	if s.mu.more > 0 {
		errs = append(errs, fmt.Errorf("%d more pushes failed", s.mu.more))
	}
	return errors.Join(errs...)
}

// missLocked keeps a failed push for Close, until Wait returns its error.
func (s *Stream) missLocked(pd *Pending) {
	if len(s.mu.missed) < maxMissed {
		s.mu.missed = append(s.mu.missed, pd)
	} else {
		s.mu.more++
	}
}

// reported records that Wait has returned the error of a push.
func (s *Stream) reported(pd *Pending) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if pd.waited {
		return
	}
	pd.waited = true
	if i := slices.Index(s.mu.missed, pd); i >= 0 {
		s.mu.missed = slices.Delete(s.mu.missed, i, i+1)
	} else {
		s.mu.more--
	}
}

// run makes requests while there is something to send.
func (s *Stream) run(ctx context.Context) {
	defer close(s.done)
	s.finish(s.requests(ctx))
}

func (s *Stream) requests(ctx context.Context) error {
	var r repetition
	node := s.requester.current()
	for s.hasWork(ctx) {
		progress, err := s.request(ctx, node)
		s.requeue()
		if progress {
			r = repetition{}
		}
		if err != nil && progress {
			r.failed = -1 // this request does not count
		}
		if err != nil && ctx.Err() == nil {
			err = r.next(ctx, s.requester, &node, err)
		}
		switch {
		case ctx.Err() != nil:
			return ctx.Err()
		case err != nil:
			return err
		}
	}
	if err := ctx.Err(); err != nil {
		return err
	}
	return ErrClosed
}

// hasWork waits for something to send; false means that the stream has ended.
func (s *Stream) hasWork(ctx context.Context) bool {
	for {
		s.mu.Lock()
		work, ending := len(s.mu.queued) > 0, s.mu.ending
		s.mu.Unlock()
		if work || ending || ctx.Err() != nil {
			return work && ctx.Err() == nil
		}
		select {
		case <-s.more:
		case <-ctx.Done():
		}
	}
}

// requeue puts the pushes that are to be sent again before those that were not sent.
func (s *Stream) requeue() {
	s.mu.Lock()
	defer s.mu.Unlock()
	if len(s.mu.failed)+len(s.mu.sent) > 0 {
		s.mu.queued = append(append(s.mu.failed, s.mu.sent...), s.mu.queued...)
		s.mu.failed, s.mu.sent = nil, nil
	}
	s.mu.halted = false
}

// finish ends the stream; pushes without a result get this error.
func (s *Stream) finish(err error) {
	s.requeue()
	s.mu.Lock()
	rest := s.mu.queued
	s.mu.queued, s.mu.err = nil, err
	s.wakeLocked()
	for _, pd := range rest {
		pd.settle(PushResult{}, err)
		s.missLocked(pd)
	}
	s.mu.Unlock()
}

func (pd *Pending) settle(pushed PushResult, err error) {
	pd.pushed, pd.err = pushed, err
	pd.line = nil
	close(pd.done)
}

// wakeLocked wakes the calls that wait for room.
func (s *Stream) wakeLocked() {
	if s.mu.room != nil {
		close(s.mu.room)
		s.mu.room = nil
	}
}

// result handles a line of the response: the result of the first push that was sent.
// An error ends the request; again is why the push is to be sent again, if it is.
func (s *Stream) result(line []byte) (again, err error) {
	pushed, problem, err := decodeResult(line)
	if err != nil {
		return nil, err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if len(s.mu.sent) == 0 {
		return nil, errTooManyResults
	}
	s.mu.since = time.Now()
	pd := s.mu.sent[0]
	s.mu.sent[0] = nil
	s.mu.sent = s.mu.sent[1:]
	if problem == nil {
		s.removeLocked(pd)
		pd.settle(pushed, nil)
		return nil, nil
	}
	if s.keepLocked(pd, problem) {
		return problem, nil
	}
	s.removeLocked(pd)
	pd.settle(PushResult{}, problem)
	s.missLocked(pd)
	return nil, nil
}

// keepLocked reports whether a push is to be sent again. If so, this request sends nothing
// more, so that the order stays the same.
func (s *Stream) keepLocked(pd *Pending, problem *RefusedError) bool {
	if !problem.Temporary() {
		return false
	}
	if problem.Status == 500 {
		if pd.attempts++; pd.attempts >= maxAttempts {
			return false
		}
	}
	s.mu.failed = append(s.mu.failed, pd)
	s.mu.halted = true
	notify(s.more)
	return true
}

func (s *Stream) removeLocked(pd *Pending) {
	s.mu.count--
	s.mu.bytes -= len(pd.line)
	s.wakeLocked()
}
