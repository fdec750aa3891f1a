package client

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"sync"
	"time"
)

// Stream pushes many messages over one request at a time, each sent without waiting
// for the answers to those before it. What a request that broke left unanswered is
// sent again by the next one, in the same order; the IDs keep it from being there
// twice. Its methods are safe for concurrent use. Who made it calls Close.
type Stream struct {
	// Static.
	backend *Backend
	leave   context.CancelFunc
	done    chan struct{} // closed when run has ended
	more    chan struct{} // there is something to send, or the end

	mu struct {
		sync.Mutex
		queued []*Pending // not sent by this request
		sent   []*Pending // sent and not answered
		failed []*Pending // answered with what may go better later; they stood before sent
		count  int        // of all of them
		bytes  int        // of their lines
		room   chan struct{}
		ending bool  // Close was called
		halted bool  // this request sends no more
		end    error // why the stream has ended

		unseen []*Pending // the first that failed and that nobody waited for
		more   int        // how many others there are
	}
}

// Pending is a push whose answer may still be to come.
type Pending struct {
	stream   *Stream
	line     []byte
	to, id   string
	attempts int // answers of 500
	done     chan struct{}
	pushed   PushResult // valid when done is closed
	err      error      // the same
	seen     bool       // guarded by the stream's mutex: Wait has given err
}

const (
	maxUnseen       = 16      // failed pushes that Close names
	maxPending      = 8192    // pushes without an answer
	maxPendingBytes = 8 << 20 // of their lines
	maxAttempts     = 5       // at a push that is answered with 500
)

// Stream begins a stream of pushes. Its context bounds all of it: when that ends,
// what is not answered fails.
func (b *Backend) Stream(ctx context.Context) *Stream {
	ctx, cancel := context.WithCancel(ctx)
	s := &Stream{backend: b, leave: cancel, done: make(chan struct{}), more: make(chan struct{}, 1)}
	go s.run(ctx)
	return s
}

// Push hands over a push. It waits while too many are without an answer; the answer
// itself is what Pending.Wait waits for. Pushes to one channel are stored in the
// order of these calls.
func (s *Stream) Push(ctx context.Context, push Push) (*Pending, error) {
	line, err := encodePush(&push, []string{push.To})
	if err != nil {
		return nil, fmt.Errorf("push to %s: %w", push.To, err)
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

// add queues a push; room is not nil if there is none, and closed when that changes.
func (s *Stream) add(pd *Pending) (room <-chan struct{}, err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	switch {
	case s.mu.end != nil:
		return nil, s.mu.end
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

// Wait waits for the answer. A push that the server refused is a *RefusedError.
func (pd *Pending) Wait(ctx context.Context) (PushResult, error) {
	select {
	case <-pd.done:
		if pd.err != nil {
			pd.stream.see(pd)
		}
		return pd.pushed, pd.err
	case <-ctx.Done():
		return PushResult{}, ctx.Err()
	}
}

// Done is closed when Wait does not wait.
func (pd *Pending) Done() <-chan struct{} { return pd.done }

// Close takes no more pushes and waits until those there are have their answers. The
// error joins why the stream ended before, if it did, and what became of every push
// that failed and whose Wait was not called: the first 16 by channel and ID, of the
// others the number.
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
	if s.mu.end != ErrClosed {
		errs = append(errs, s.mu.end)
	}
	for _, pd := range s.mu.unseen {
		errs = append(errs, fmt.Errorf("push %s to %s: %w", pd.id, pd.to, pd.err))
	}
	if s.mu.more > 0 {
		errs = append(errs, fmt.Errorf("%d more pushes failed", s.mu.more))
	}
	return errors.Join(errs...)
}

// missLocked keeps a push that failed for Close, until Wait gives its error.
func (s *Stream) missLocked(pd *Pending) {
	if len(s.mu.unseen) < maxUnseen {
		s.mu.unseen = append(s.mu.unseen, pd)
	} else {
		s.mu.more++
	}
}

// see notes that the caller has the error of a push.
func (s *Stream) see(pd *Pending) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if pd.seen {
		return
	}
	pd.seen = true
	if i := slices.Index(s.mu.unseen, pd); i >= 0 {
		s.mu.unseen = slices.Delete(s.mu.unseen, i, i+1)
	} else {
		s.mu.more--
	}
}

// run makes requests as long as there is something to send.
func (s *Stream) run(ctx context.Context) {
	defer close(s.done)
	wait := backoff{first: s.backend.opts.MinWait, limit: s.backend.opts.MaxWait}
	for attempts := 1; s.hasWork(ctx); attempts++ {
		answered, err := s.request(ctx)
		s.requeue()
		if answered {
			attempts = 0
			wait.reset()
		}
		switch {
		case ctx.Err() != nil:
			s.finish(ctx.Err())
			return
		case err != nil && (!mayRepeat(err) || attempts > 0 && attempts == s.backend.opts.Attempts):
			s.finish(err)
			return
		}
		if err != nil && !sleep(ctx, pause(err, &wait)) {
			s.finish(ctx.Err())
			return
		}
	}
	if err := ctx.Err(); err != nil {
		s.finish(err)
		return
	}
	s.finish(ErrClosed)
}

// hasWork waits for something to send; false means that it is over.
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

// requeue puts what was not answered for good before what was not sent.
func (s *Stream) requeue() {
	s.mu.Lock()
	defer s.mu.Unlock()
	if len(s.mu.failed)+len(s.mu.sent) > 0 {
		s.mu.queued = append(append(s.mu.failed, s.mu.sent...), s.mu.queued...)
		s.mu.failed, s.mu.sent = nil, nil
	}
	s.mu.halted = false
}

// finish ends the stream; what has no answer gets this one.
func (s *Stream) finish(err error) {
	s.requeue()
	s.mu.Lock()
	rest := s.mu.queued
	s.mu.queued, s.mu.end = nil, err
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

// wakeLocked wakes who waits for room.
func (s *Stream) wakeLocked() {
	if s.mu.room != nil {
		close(s.mu.room)
		s.mu.room = nil
	}
}

// answer takes the line that answers the first push that was sent. An error ends
// the request; again is what to wait for if the push is to be sent again.
func (s *Stream) answer(line []byte) (again, err error) {
	var a struct {
		pushResults
		Status     int    `json:"status"` // of a problem; a success has none
		Code       string `json:"code"`
		Detail     string `json:"detail"`
		Field      string `json:"field"`
		RetryAfter int64  `json:"retry_after"` // seconds
	}
	if err := json.Unmarshal(line, &a); err != nil || a.Status == 0 && len(a.Messages) != 1 {
		return nil, fmt.Errorf("%w: the answer to a push is not understood", ErrProtocol)
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if len(s.mu.sent) == 0 {
		return nil, fmt.Errorf("%w: an answer to no push", ErrProtocol)
	}
	pd := s.mu.sent[0]
	s.mu.sent[0] = nil
	s.mu.sent = s.mu.sent[1:]
	if a.Status != 0 {
		problem := &RefusedError{
			Status: a.Status, Code: a.Code, Detail: a.Detail, Field: a.Field,
			RetryAfter: bounded(min(a.RetryAfter, int64(maxRetryAfter/time.Second)) * 1000),
		}
		if s.keepLocked(pd, problem) {
			return problem, nil
		}
		s.removeLocked(pd)
		pd.settle(PushResult{}, problem)
		s.missLocked(pd)
		return nil, nil
	}
	s.removeLocked(pd)
	pd.settle(a.Messages[0], nil)
	return nil, nil
}

// keepLocked says whether a push is to be sent again. Then nothing more is sent by
// this request, so that the order stays what it was.
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

var errStreamEnded = errors.New("the server ended the stream")
