package client

import (
	"context"
	"crypto/tls"
	"errors"
	"net"
)

// repeat does a call that may be repeated, until it succeeds, is refused for good or
// the context ends.
func (b *Backend) repeat(ctx context.Context, c call) error {
	return b.attempts(ctx, func(node *int) error { return b.once(ctx, *node, c) })
}

// attempts calls once until it succeeds, is refused for good or the context ends. Once
// gets the node to use, and stores the one that it used if that is another.
func (b *Backend) attempts(ctx context.Context, once func(node *int) error) error {
	var r repetition
	node := b.current()
	for {
		err := once(&node)
		if err == nil {
			return nil
		}
		if err := r.next(ctx, b, &node, err); err != nil {
			return err
		}
	}
}

// send does a call that must not be repeated. A node that cannot be connected to did not
// get it, so the next one does.
func (b *Backend) send(ctx context.Context, c call) error {
	for tried := 1; ; tried++ {
		err := b.once(ctx, b.current(), c)
		if !isUnreachable(err) || tried == len(b.nodes) || ctx.Err() != nil {
			return err
		}
	}
}

// current is the node to use.
func (b *Backend) current() int { return int(b.node.Load()) }

// leave has later requests go to the next node if this one failed.
func (b *Backend) leave(node int, err error) {
	if err == nil || stays(err) || errors.Is(err, context.Canceled) || !mayRepeat(err) && !isUnsuitable(err) {
		return
	}
	b.node.CompareAndSwap(int32(node), int32((node+1)%len(b.nodes)))
}

// repetition is the state of a request that is repeated.
type repetition struct {
	rotation   *rotation // nil until an attempt has failed
	failed     int       // attempts, one after the other
	unsuitable int       // likewise, after which only another node may do
}

// next waits until the request may be repeated after an error, and chooses the node. It
// returns an error if the request is not to be repeated.
func (r *repetition) next(ctx context.Context, b *Backend, node *int, err error) error {
	r.failed++
	switch {
	case mayRepeat(err):
		r.unsuitable = 0
	case isUnsuitable(err) && r.unsuitable+1 < len(b.nodes):
		r.unsuitable++
	default:
		return err
	}
	if ctx.Err() != nil || r.failed > 0 && r.failed == b.opts.Attempts {
		return err
	}
	if r.rotation == nil {
		r.rotation = newRotation(len(b.nodes), b.opts.MinWait, b.opts.MaxWait)
	}
	refusal, _ := errors.AsType[*RefusedError](err)
	if refusal == nil {
		refusal = new(RefusedError)
	}
	wait := r.rotation.failed(*node, refusal.RetryAfter)
	if !stays(err) {
		*node, wait = r.rotation.next(b.current())
	}
	if !sleep(ctx, wait) {
		return errors.Join(ctx.Err(), err)
	}
	return nil
}

// mayRepeat says whether a request that failed may succeed later.
func mayRepeat(err error) bool {
	if e, ok := errors.AsType[*RefusedError](err); ok {
		return e.Temporary() || e.foreign
	}
	return !isUntrusted(err) && !errors.Is(err, ErrProtocol) && !errors.Is(err, ErrBadRequest)
}

func isUntrusted(err error) bool {
	_, untrusted := errors.AsType[*tls.CertificateVerificationError](err)
	return untrusted
}

// isUnreachable says whether a request failed before it was sent.
func isUnreachable(err error) bool {
	if e, ok := errors.AsType[*net.OpError](err); ok && e.Op == "dial" {
		return true
	}
	_, unresolved := errors.AsType[*net.DNSError](err)
	return unresolved || isUntrusted(err)
}
