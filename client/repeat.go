package client

import (
	"context"
	"errors"
)

// repeat does a call that may be repeated, until it succeeds, is refused for good or
// the context ends.
func (q *requester) repeat(ctx context.Context, c call) error {
	return q.attempts(ctx, func(node *int) error { return q.once(ctx, *node, c) })
}

// attempts calls once until it succeeds, is refused for good or the context ends. Once
// gets the node to use, and stores the one that it used if that is another.
func (q *requester) attempts(ctx context.Context, once func(node *int) error) error {
	var r repetition
	node := q.current()
	for {
		err := once(&node)
		if err == nil {
			return nil
		}
		if err := r.next(ctx, q, &node, err); err != nil {
			return err
		}
	}
}

// send does a call that must not be repeated. A node that cannot be connected to did not
// get it, so the next one does.
func (q *requester) send(ctx context.Context, c call) error {
	for tried := 1; ; tried++ {
		err := q.once(ctx, q.current(), c)
		if !isUnreachable(err) || tried == len(q.nodes) || ctx.Err() != nil {
			return err
		}
	}
}

// repetition is the state of a request that is repeated.
type repetition struct {
	rotation *rotation // nil until an attempt has failed
	failed   int       // attempts, one after the other; -1: the next one does not count
}

// next waits until the request may be repeated after an error, and chooses the node. It
// returns an error if the request is not to be repeated.
func (r *repetition) next(ctx context.Context, q *requester, node *int, err error) error {
	r.failed++
	if r.rotation == nil {
		r.rotation = newRotation(len(q.nodes), q.opts.MinWait, q.opts.MaxWait)
	}
	if !r.rotation.again(mayRepeat(err), isUnsuitable(err)) || ctx.Err() != nil || r.failed > 0 && r.failed == q.opts.Attempts {
		return err
	}
	refusal, _ := errors.AsType[*RefusedError](err)
	if refusal == nil {
		refusal = new(RefusedError)
	}
	wait := r.rotation.failed(*node, refusal.RetryAfter)
	if !stays(err) {
		*node, wait = r.rotation.next(q.current())
	}
	if !sleep(ctx, wait) {
		return errors.Join(ctx.Err(), err)
	}
	return nil
}
