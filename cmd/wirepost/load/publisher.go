package load

import (
	"context"
	"errors"
	"fmt"
	"time"
)

// singles is a publisher that makes one push after the other.
type singles struct {
	*pushing
	post *poster
}

func (s *singles) publish() error {
	defer s.post.close()
	var body []byte
	for n := s.next(); n != 0; n = s.next() {
		channel := s.channelOf(n)
		body = appendPush(body[:0], s.names[channel], &s.marks, n, s.run.clock)
		began := s.run.clock.now()
		r, refused, broken := s.post.push(body)
		if broken != nil {
			return broken
		}
		s.took(channel, s.run.clock.now()-began, r, refused)
	}
	return nil
}

// bulk is a publisher that keeps a stream full.
type bulk struct {
	*pushing
	stream  *stream
	pending chan pendingPush // in the order of the results
}

type pendingPush struct {
	channel int
	began   time.Duration
}

func (p *pushing) openBulk(ctx context.Context, t *Target) (*bulk, error) {
	b := &bulk{pushing: p, pending: make(chan pendingPush, p.InFlight)}
	var err error
	b.stream, err = openStream(ctx, t, func(r result, err error) {
		select {
		case one := <-b.pending:
			p.took(one.channel, p.run.clock.now()-one.began, r, err)
		default:
			p.took(0, 0, r, errors.New("the server answered what was not asked"))
		}
	})
	return b, err
}

func (b *bulk) publish() error {
	var line []byte
	stalled := time.NewTimer(stall)
	defer stalled.Stop()
	for n := b.next(); n != 0; n = b.next() {
		one := pendingPush{b.channelOf(n), b.run.clock.now()}
		select {
		case b.pending <- one:
		default: // what is buffered has to be sent before its result is waited for
			if err := b.stream.flush(); err != nil {
				return b.stream.broken()
			}
			stalled.Reset(stall)
			select {
			case b.pending <- one:
			case <-b.stream.done:
				return b.stream.broken()
			case <-stalled.C:
				b.stream.conn.Close() //nolint:errcheck // it ends the stream
				return fmt.Errorf("the server answered nothing for %s", stall)
			}
		}
		line = appendPush(line[:0], b.names[one.channel], &b.marks, n, b.run.clock)
		if err := b.stream.send(line); err != nil {
			return b.stream.broken()
		}
	}
	return b.stream.end()
}
