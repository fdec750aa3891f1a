package httpapi

import (
	"time"

	"github.com/wirepost/wirepost"
)

// writeResults pushes batches, and writes their results. Taken is an empty batch, to be
// exchanged with the first one.
func (b *bulk) writeResults(taken *batch) {
	defer close(b.done)
	defer func() {
		if b.panicked = recover(); b.panicked != nil {
			b.stopReading()
		}
	}()
	draining := b.api.draining
	for {
		select {
		case <-b.wake:
		case <-draining:
			draining = nil
			b.stopReading()
			continue
		}
		var ended bool
		taken, ended = b.take(taken)
		if len(taken.lines) > 0 && !b.push(taken, ended) {
			b.stopReading()
			return
		}
		b.release(taken.held)
		taken.held = 0
		if ended {
			return
		}
	}
}

// stopReading ends read's wait for more lines, as if this were the end of the body.
func (b *bulk) stopReading() {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.stopped = true
	b.rc.SetReadDeadline(time.Unix(1, 0)) //nolint:errcheck // it ends with the connection, then
}

// take exchanges the batch with one that was pushed.
func (b *bulk) take(old *batch) (next *batch, ended bool) {
	old.reset()
	b.mu.Lock()
	next, b.filling = b.filling, old
	ended = b.ended
	b.mu.Unlock()
	notify(b.room)
	return next, ended
}

// push pushes a batch and writes its results. False means that the client does not read
// them. The last results are sent with the end of the response.
func (b *bulk) push(t *batch, last bool) bool {
	var results []wirepost.BatchResult
	if len(t.pushes) > 0 {
		results = b.api.srv.PushEach(b.ctx, t.pushes)
	}
	b.rc.SetWriteDeadline(time.Now().Add(stallTime)) //nolint:errcheck // then there is no deadline
	for i := range t.lines {
		n := 0
		switch l := &t.lines[i]; {
		case l.targets != nil:
			n = len(l.targets.names)
		case l.err == nil:
			n = 1
		}
		b.result(&t.lines[i], results[:n])
		results = results[n:]
		if len(b.out) >= listChunk && !b.write() {
			return false
		}
	}
	return b.write() && (last || b.rc.Flush() == nil)
}

func (b *bulk) write() bool {
	_, err := b.w.Write(b.out)
	b.out = b.out[:0]
	return err == nil
}

// result appends the result of a line: that of POST /v1/push, or a problem. A list fails
// if one of its targets fails.
func (b *bulk) result(l *line, results []wirepost.BatchResult) {
	err := l.err
	pushed := make([]wirepost.PushResult, 0, 1)
	for i := range results {
		pushed = append(pushed, results[i].PushResult)
		if err == nil {
			err = results[i].Err
		}
	}
	if err != nil {
		b.problem(err)
		return
	}
	if l.targets != nil {
		pushed = l.targets.results(pushed)
	}
	b.out = append(appendPushed(b.out, pushed), '\n')
}

func (b *bulk) problem(err error) {
	e := wirepost.AsError(err)
	if e.Code == wirepost.CodeInternal {
		b.api.logger.Error("bulk push failed", "error", err)
	}
	problem := e.Problem()
	b.out = append(b.out, problem.Encode()...)
}
