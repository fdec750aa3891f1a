package client

import (
	"context"
	"iter"
)

// Messages yields the messages of the inbox and of all other subscriptions as they
// arrive. Only the last pair has an error, and no message. A message is acknowledged
// when the body of the loop has finished with it; after a break or return it is not,
// and comes first in the next loop, unless Message.Ack was called. There may be one
// loop at a time.
func (c *Client) Messages(ctx context.Context) iter.Seq2[*Message, error] {
	return func(yield func(*Message, error) bool) {
		if !c.ranging.CompareAndSwap(false, true) {
			yield(nil, errBusy)
			return
		}
		defer c.ranging.Store(false)
		for {
			e, err := c.queue.first(ctx)
			more := err == nil
			if more {
				more, err = c.deliver(e, yield)
			}
			if err != nil {
				yield(nil, err)
			}
			if !more || err != nil {
				return
			}
		}
	}
}

// deliver gives the first item of the queue to the program. False means that the
// program left the loop.
func (c *Client) deliver(e Event, yield func(*Message, error) bool) (more bool, err error) {
	m, ok := e.(*Message)
	switch {
	case !ok:
		err = c.report(e)
		c.queue.drop()
		return true, err
	case c.opts.ManualAck:
		c.queue.drop()
		c.yielded(m)
		return yield(m, nil), nil
	}
	if more = yield(m, nil); more {
		err = m.Ack()
	}
	if more || c.isAcked(m) {
		c.queue.drop()
	}
	return more, err
}

// report gives OnEvent an item that is not a message.
func (c *Client) report(e Event) error {
	if r, ok := e.(*revocation); ok {
		c.opts.OnEvent(r.Revoked)
		return c.acknowledgeRevocation(r)
	}
	c.opts.OnEvent(e)
	return nil
}
