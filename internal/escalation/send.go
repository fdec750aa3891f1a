package escalation

import (
	"cmp"
	"context"
	"errors"
	"slices"
	"time"

	"github.com/wirepost/wirepost/engine"
)

const (
	// maxRequests is how many messages are sent to push services at the same time, and maxSending
	// how many more have been claimed and wait.
	maxRequests = 64
	maxSending  = 4096
	// fullDelay is how long a notification waits before it is claimed if too many are.
	fullDelay = time.Second
	// sendTimeout bounds the time of sending a message.
	sendTimeout = 10 * time.Second
	// lease is how long a claimed step is not tried by others: the time of sending, and of
	// waiting for it.
	lease = 30 * time.Second
	// storeEvery is the pause after a failed attempt to store an outcome.
	storeEvery = 500 * time.Millisecond
)

// claim makes a turn the claim of a notification: it is due again when the lease ends, unless
// its outcome is stored before. So it is sent by one node at a time, and again after a crash.
func (e *Escalation) claim(t *turn, now int64) {
	if !e.reserve() {
		t.due = now + fullDelay.Milliseconds()
		return
	}
	t.claimed = true
	t.due = now + lease.Milliseconds()
	step := t.state.current()
	step.State, step.At = Sending, now
	step.Tries++
}

// reserve reserves one of the messages that are sent, unless there are too many.
func (e *Escalation) reserve() bool {
	e.mu.Lock()
	defer e.mu.Unlock()
	if e.mu.closed || e.mu.sending >= maxRequests+maxSending {
		return false
	}
	e.mu.sending++
	return true
}

func (e *Escalation) unreserve() {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.mu.sending--
}

// send sends what was claimed and stores the outcome, on another goroutine.
func (e *Escalation) send(t *turn) {
	e.mu.Lock()
	defer e.mu.Unlock()
	if e.mu.closed {
		return // it is sent when the lease has ended
	}
	e.mu.Add(1)
	t.record = nil // it is read again when its time comes, so that those that wait use little memory
	go func() {
		defer e.mu.Done()
		defer e.unreserve()
		select {
		case e.slots <- struct{}{}:
			defer func() { <-e.slots }()
		case <-e.ctx.Done():
			return
		}
		if e.config.Now().UnixMilli() > t.due-sendTimeout.Milliseconds() {
			return // too late to be sure that nobody else sends it: it is tried again
		}
		e.notify(t)
	}()
}

// notify sends a message and stores the outcome, unless the lease has ended before that.
func (e *Escalation) notify(t *turn) {
	ctx, cancel := context.WithTimeout(e.ctx, sendTimeout)
	defer cancel()
	claimed := &engine.Timer{Channel: t.timer.Channel, Kind: engine.TimerStep, ID: t.timer.ID, Due: t.due}
	next := &turn{timer: claimed, user: t.user, seq: t.seq, state: t.state, step: t.step}
	var err error
	if next.record, err = e.message(ctx, next); err != nil {
		return // likewise
	}
	if next.record == nil {
		next.count(Gone)
		next.state = nil
	} else if !e.sendRecord(ctx, next) {
		return
	}
	e.storeOutcome(next)
}

// sendRecord sends a message and decides what becomes of its timer. If it was interrupted by
// Close, that is open.
func (e *Escalation) sendRecord(ctx context.Context, t *turn) (decided bool) {
	r, maxAge := t.record, e.config.MaxAge(t.timer.Channel)
	expires := end(r, maxAge)
	t.state.current().expire(e.config.Now().UnixMilli())
	result, err := e.config.WebPush.Send(ctx, t.user, &Message{
		Channel: t.timer.Channel, Seq: r.Seq, ID: r.ID, Key: r.Key, Expires: time.UnixMilli(expires),
		Notification: t.state.Notification, ContentType: r.ContentType, Data: r.Data,
	}, t.state.current().done())
	now := e.config.Now().UnixMilli()
	if err != nil && e.ctx.Err() != nil {
		return false
	}
	if err != nil {
		e.config.Logger.Warn("a notification was not sent, and is tried again", "channel", t.timer.Channel, "seq", r.Seq, "error", err)
	}
	if retry := t.state.current().sent(&result, err, now); retry > 0 {
		last := expires
		if t.state.Turn+1 < len(t.state.Steps) {
			last = min(last, r.Time+t.state.Steps[t.state.Turn+1].After)
		}
		if retry < last {
			t.state.current().At = now
			t.due = retry
			return true
		}
		t.state.current().give()
	}
	t.state.settle(t.state.current().outcome(), now)
	t.settled(maxAge)
	return true
}

// sent notes the result of an attempt, and returns when to make the next one, or 0.
func (s *stepState) sent(result *Result, err error, now int64) (retry int64) {
	for _, name := range result.Sent {
		if !slices.Contains(s.Sent, name) {
			s.Sent = append(s.Sent, name)
		}
	}
	s.Failed = append(s.Failed, result.Failed...)
	for _, again := range result.Again {
		s.Waits = append(s.Waits, wait{again.Failure, now + max(again.After, time.Second).Milliseconds()})
	}
	if err != nil {
		s.Reason = "the notification could not be sent"
		return now + min(time.Second<<min(s.Tries, 8), 5*time.Minute).Milliseconds()
	}
	if len(s.Waits) == 0 {
		return 0
	}
	slices.SortStableFunc(s.Waits, func(a, b wait) int { return cmp.Compare(a.Until, b.Until) })
	s.Reason = s.Waits[0].Reason
	return s.Waits[0].Until
}

// give ends the attempts to send to subscriptions, because there is no time for another one.
func (s *stepState) give() {
	for _, w := range s.Waits {
		s.Failed = append(s.Failed, w.Failure)
	}
	if len(s.Failed) > 0 {
		s.Reason = "" // each has its own
	}
}

// outcome is the outcome of a step that is not tried again.
func (s *stepState) outcome() StepState {
	switch {
	case len(s.Sent) > 0:
		return Sent
	case len(s.Failed) > 0, s.Reason != "":
		return Failed
	}
	return NoEndpoint
}

// storeOutcome stores what became of a timer, while the lease lasts.
func (e *Escalation) storeOutcome(t *turn) {
	entry := t.entry()
	for {
		results, err := e.config.Log.Append(context.Background(), []engine.Entry{entry})
		if err == nil && results[0].Err == nil {
			e.count(t.counted)
			return
		}
		if err == nil && errors.Is(results[0].Err, engine.ErrNotFound) || e.config.Now().UnixMilli() > t.timer.Due {
			return
		}
		select {
		case <-time.After(storeEvery):
		case <-e.ctx.Done():
			return
		}
	}
}
