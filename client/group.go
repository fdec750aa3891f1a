package client

import (
	"bytes"
	"context"
	"runtime"
	"slices"
	"sync"
)

// groups combines the pushes of concurrent calls into few requests. A push that finds
// no request in flight is sent at once. Others are queued; when a request ends, the
// queue goes out as the next one. There is no timer: a push waits only for the request
// before it, and a lone push for nothing. A queue that is enough for a group is sent
// without waiting, up to maxRequests at a time.
//
// The queue has no limit of its own: each push in it belongs to a call that waits.
type groups struct {
	to *requester // static

	mu struct {
		sync.Mutex
		queued   []*grouped // empty if no request is in flight
		bytes    int        // of queued
		requests int        // in flight
	}
}

// The limits of one request, and of the requests at a time. A group is smaller than a
// batch of the server, which reads a body of this size to its end before it pushes
// (httpapi/ndjson.go), and than the bodies that proxies allow by default (1 MiB in
// nginx). A push that is larger has a request of its own.
const (
	maxRequests   = 4
	maxGroup      = 256
	maxGroupBytes = 256 << 10
)

// grouped is a push that is queued or part of a group.
type grouped struct {
	body   []byte
	done   chan struct{}
	result PushResult // valid when done is closed
	err    error      // the same
	node   int        // the same: which gave the result

	group *group // guarded by the mutex of groups; nil while queued
}

// group is the pushes of one request.
type group struct {
	members []*grouped
	waiting int // guarded by the mutex of groups: calls that have not left
	cancel  context.CancelFunc
}

// push is one attempt at a push: as a request of its own, or in a group, which goes to
// the node that is current then.
func (g *groups) push(ctx context.Context, node *int, body []byte) (PushResult, error) {
	current := g.to.current()
	w := g.enter(body)
	if w == nil {
		defer g.endAlone()
		return g.to.pushAlone(ctx, *node, body)
	}
	select {
	case <-w.done:
		*node = w.node
		return w.result, w.err
	case <-ctx.Done():
		g.leave(w)
		g.to.leave(current, ctx.Err()) // it may be silent
		return PushResult{}, context.Cause(ctx)
	}
}

// enter queues a push; nil means that it can be sent at once, and counts as a request.
func (g *groups) enter(body []byte) *grouped {
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.mu.requests == 0 {
		g.mu.requests++
		return nil
	}
	w := &grouped{body: body, done: make(chan struct{})}
	g.mu.queued = append(g.mu.queued, w)
	g.mu.bytes += len(body) + 1
	if (len(g.mu.queued) >= maxGroup || g.mu.bytes >= maxGroupBytes) && g.mu.requests < maxRequests {
		g.mu.requests++
		go g.sendGroups(g.takeLocked())
	}
	return w
}

// leave is for a call whose context is done. The others of its group are not affected;
// the request is canceled when all have left.
func (g *groups) leave(w *grouped) {
	g.mu.Lock()
	defer g.mu.Unlock()
	if w.group == nil {
		i := slices.Index(g.mu.queued, w)
		g.mu.queued = slices.Delete(g.mu.queued, i, i+1)
		g.mu.bytes -= len(w.body) + 1
		return
	}
	if w.group.waiting--; w.group.waiting == 0 {
		w.group.cancel()
	}
}

// next ends a request and begins the next one; nil means that nothing is queued.
func (g *groups) next() (context.Context, *group) {
	g.mu.Lock()
	defer g.mu.Unlock()
	if len(g.mu.queued) == 0 {
		g.mu.requests--
		return nil, nil
	}
	return g.takeLocked()
}

// takeLocked removes a group from the queue, which is not empty.
func (g *groups) takeLocked() (context.Context, *group) {
	n, size := 0, 0
	for n < min(len(g.mu.queued), maxGroup) {
		more := len(g.mu.queued[n].body) + 1
		if n > 0 && size+more > maxGroupBytes {
			break
		}
		size += more
		n++
	}
	ctx, cancel := context.WithCancel(context.Background())
	next := &group{members: slices.Clone(g.mu.queued[:n]), waiting: n, cancel: cancel}
	for _, w := range next.members {
		w.group = next
	}
	g.mu.queued = slices.Delete(g.mu.queued, 0, n)
	g.mu.bytes -= size
	return ctx, next
}

// endAlone ends a request of one push; what was queued meanwhile is sent by another
// goroutine.
func (g *groups) endAlone() {
	if ctx, next := g.next(); next != nil {
		go g.sendGroups(ctx, next)
	}
}

// sendGroups sends a group, and then others while there are any.
func (g *groups) sendGroups(ctx context.Context, next *group) {
	for next != nil {
		g.sendGroup(ctx, next.members)
		next.cancel()
		// Calls that have just returned often push again: what they push belongs to the
		// next group.
		runtime.Gosched()
		ctx, next = g.next()
	}
}

// sendGroup sends the pushes of a group. A push without a result has the error of the
// request.
func (g *groups) sendGroup(ctx context.Context, members []*grouped) {
	node := g.to.current()
	settle := func(result PushResult, err error) {
		w := members[0]
		members = members[1:]
		w.result, w.err, w.node = result, err, node
		g.to.leave(node, err)
		close(w.done)
	}
	if len(members) == 1 {
		settle(g.to.pushAlone(ctx, node, members[0].body))
		return
	}
	err := g.pushTogether(ctx, node, members, func(line []byte) error {
		result, problem, err := decodeResult(line)
		switch {
		case err != nil:
			return err
		case len(members) == 0:
			return errTooManyResults
		case problem != nil:
			settle(PushResult{}, problem)
		default:
			settle(result, nil)
		}
		return nil
	})
	if err == nil {
		err = errStreamEnded // if there are members left
	}
	for len(members) > 0 {
		settle(PushResult{}, err)
	}
}

// pushTogether is a request of several pushes. It calls result with each line of the
// response.
func (g *groups) pushTogether(ctx context.Context, node int, members []*grouped, result func(line []byte) error) error {
	ctx, cancel := context.WithTimeout(ctx, g.to.opts.Timeout)
	defer cancel()
	size := 0
	for _, w := range members {
		size += len(w.body) + 1
	}
	var body bytes.Buffer
	body.Grow(size)
	for _, w := range members {
		body.Write(w.body)
		body.WriteByte('\n')
	}
	r, err := g.to.newLinesRequest(ctx, node, &body)
	if err != nil {
		return err
	}
	response, err := g.to.nodes[node].do(r)
	if err != nil {
		return err
	}
	defer response.Body.Close()
	if err := checkLines(response); err != nil {
		return err
	}
	return eachLine(response.Body, result)
}
