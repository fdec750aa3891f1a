package torture

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"hash/fnv"
	"math/rand/v2"
	"net/http"
	"strings"
	"time"

	"github.com/wirepost/wirepost/client"
)

// payload is the content of the message with that name: the name, repeated, so that
// damage is detected.
func payload(id string) string {
	h := fnv.New32a()
	h.Write([]byte(id)) //nolint:errcheck // it never fails
	return `{"id":"` + id + `","pad":"` + strings.Repeat(id+" ", int(h.Sum32()%100)) + `"}`
}

// name returns the name of the message with this content; damaged content has a name
// that was not pushed.
func name(data []byte) string {
	var m struct{ ID string }
	if err := json.Unmarshal(data, &m); err != nil || payload(m.ID) != string(data) {
		return fmt.Sprintf("damaged: %.100q", data)
	}
	return m.ID
}

// publisher pushes in one way until the context is canceled. The names of its messages
// are unique.
type publisher struct {
	*run
	name    string
	random  *rand.Rand
	backend *client.Backend
	n       int
}

func (p *publisher) next(channels ...string) string { return p.nextWith(event{}, channels...) }

// nextWith is next for a message with a key or a time to live.
func (p *publisher) nextWith(e event, channels ...string) string {
	p.n++
	e.kind, e.id = pushing, fmt.Sprintf("%s-%d", p.name, p.n)
	for _, channel := range channels {
		e.channel = channel
		p.h.add(e)
	}
	return e.id
}

func (p *publisher) confirmed(id, channel string, seq uint64) {
	p.h.add(event{kind: pushed, id: id, channel: channel, seq: seq})
}

// pause makes a publisher wait, so that readers keep up on a small machine.
func (p *publisher) pause(ctx context.Context) {
	wait(ctx, time.Duration(p.random.IntN(8))*time.Millisecond)
}

func wait(ctx context.Context, d time.Duration) {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
	case <-ctx.Done():
	}
}

// singles pushes one message at a time, and retries until there is a response. Some
// messages are pushed twice: the second response must equal the first. Some are
// revoked.
func (p *publisher) singles(ctx context.Context) {
	for ; ctx.Err() == nil; p.pause(ctx) {
		channel := p.anyChannel(p.random)
		id := p.next(channel)
		var seq uint64
		for again := 0; again <= p.random.IntN(3)/2; again++ {
			seq = p.single(ctx, client.Push{To: channel, ID: id})
		}
		if seq != 0 && p.random.IntN(16) == 0 {
			p.revoke(ctx, id, channel, seq)
		}
	}
}

// single pushes a message and returns its sequence, 0 if the context is canceled.
func (p *publisher) single(ctx context.Context, push client.Push) uint64 {
	push.Data = []byte(payload(push.ID))
	got, err := p.backend.Push(ctx, push)
	if err == nil {
		p.confirmed(push.ID, push.To, got.Seq)
	} else if ctx.Err() == nil {
		p.fail("push: %v", err)
	}
	return got.Seq
}

func (p *publisher) revoke(ctx context.Context, id, channel string, seq uint64) {
	p.h.add(event{kind: revoking, id: id, channel: channel})
	_, err := p.backend.Revoke(ctx, channel, seq)
	var refused *client.RefusedError // otherwise it is unknown whether it was done
	if errors.As(err, &refused) && refused.Status != http.StatusNotFound && refused.Status != http.StatusServiceUnavailable {
		p.fail("revoke: %v", err)
	}
}

// keyed pushes messages that replace earlier ones with the same key.
func (p *publisher) keyed(ctx context.Context) {
	for ; ctx.Err() == nil; p.pause(ctx) {
		channel, key := p.anyChannel(p.random), fmt.Sprint("key", p.random.IntN(3))
		p.single(ctx, client.Push{To: channel, ID: p.nextWith(event{key: key}, channel), Key: key})
	}
}

// fading pushes messages with a time to live: for half of them longer than any run and
// any jump of a clock.
func (p *publisher) fading(ctx context.Context) {
	for ; ctx.Err() == nil; p.pause(ctx) {
		channel, ttl, fades := p.anyChannel(p.random), 1000*time.Hour, p.random.IntN(2) == 0
		if fades {
			ttl = time.Duration(1+p.random.IntN(1000)) * time.Millisecond
		}
		p.single(ctx, client.Push{To: channel, ID: p.nextWith(event{fades: fades}, channel), TTL: ttl})
	}
}

// publishing publishes in wirepost.v1, each message until there is a response.
func (p *publisher) publishing(ctx context.Context) {
	c, err := client.Dial(ctx, p.url("ws")+"/ws", client.Options{
		Token: client.StaticToken(p.token("publisher")), TLSConfig: p.tls,
		MinWait: 2 * time.Millisecond, MaxWait: 50 * time.Millisecond,
	})
	if err != nil {
		if ctx.Err() == nil {
			p.fail("publisher: %v", err)
		}
		return
	}
	defer c.Close() //nolint:errcheck // the context was canceled
	for ; ctx.Err() == nil; p.pause(ctx) {
		channel := []string{"room:1", "short:1"}[p.random.IntN(2)]
		id := p.next(channel)
		for ctx.Err() == nil {
			got, err := c.Publish(ctx, client.Publication{To: channel, ID: id, Data: []byte(payload(id))})
			if err == nil {
				p.confirmed(id, channel, got.Seq)
				break
			}
			var refused *client.RefusedError
			if errors.As(err, &refused) && refused.Code != "unavailable" {
				p.fail("publish: %v", err)
				break
			}
			p.pause(ctx)
		}
	}
}

// several pushes each message to two inboxes.
func (p *publisher) several(ctx context.Context) {
	inboxes := []string{"user:a", "user:b"}
	for ; ctx.Err() == nil; p.pause(ctx) {
		id := p.next(inboxes...)
		got, err := p.backend.PushTo(ctx, client.Push{ID: id, Data: []byte(payload(id))}, inboxes...)
		if err != nil && ctx.Err() == nil {
			p.fail("push to several: %v", err)
		}
		for _, one := range got {
			p.confirmed(id, one.To, one.Seq)
		}
	}
}

// raw pushes bodies without an ID, once: without a response it is unknown whether they
// were stored.
func (p *publisher) raw(ctx context.Context) {
	hc := &http.Client{Transport: p.transport()}
	defer hc.CloseIdleConnections()
	for ; ctx.Err() == nil; p.pause(ctx) {
		channel := p.anyChannel(p.random)
		id := p.next(channel)
		r, err := http.NewRequestWithContext(ctx, http.MethodPost, p.url("http")+"/v1/push/"+channel, strings.NewReader(payload(id)))
		if err != nil {
			p.fail("%v", err)
			return
		}
		r.GetBody = nil // the transport must not retry by itself
		r.Header.Set("Authorization", "Bearer "+apiKey)
		r.Header.Set("Content-Type", "text/plain")
		response, err := hc.Do(r)
		if err != nil {
			continue
		}
		var answer struct{ Messages []client.PushResult }
		err = json.NewDecoder(response.Body).Decode(&answer)
		response.Body.Close()
		switch {
		case response.StatusCode == http.StatusServiceUnavailable:
		case response.StatusCode > 299:
			p.fail("a raw push got the status %s", response.Status)
		case err == nil && len(answer.Messages) == 1:
			p.confirmed(id, channel, answer.Messages[0].Seq)
		}
	}
}

// stream pushes many messages without waiting for each.
func (p *publisher) stream(ctx context.Context) {
	p.streamTo(ctx, p.anyChannel, payload)
}

// bulk is a stream of large messages to channels without readers.
func (p *publisher) bulk(ctx context.Context) {
	pad := strings.Repeat("0123456789abcdef", 3000)
	p.streamTo(ctx, func(random *rand.Rand) string { return fmt.Sprint("bulk:", random.IntN(10)) }, func(id string) string {
		return `{"id":"` + id + `","pad":"` + pad + `"}`
	})
}

func (p *publisher) streamTo(ctx context.Context, to func(*rand.Rand) string, payload func(id string) string) {
	s := p.backend.Stream(ctx)
	defer s.Close() //nolint:errcheck // the context was canceled
	type under struct {
		id, channel string
		*client.Pending
	}
	pending := make(chan under, 256)
	done := make(chan struct{})
	go func() {
		defer close(done)
		for u := range pending {
			got, err := u.Wait(ctx)
			if err == nil {
				p.confirmed(u.id, u.channel, got.Seq)
			} else if ctx.Err() == nil {
				p.fail("stream: %v", err)
			}
		}
	}()
	for ; ctx.Err() == nil; p.pause(ctx) {
		for range p.random.IntN(16) {
			channel := to(p.random)
			id := p.next(channel)
			pd, err := s.Push(ctx, client.Push{To: channel, ID: id, Data: bytes.Clone([]byte(payload(id)))})
			if err != nil {
				if ctx.Err() == nil {
					p.fail("stream: %v", err)
				}
				break
			}
			pending <- under{id, channel, pd}
		}
	}
	close(pending)
	<-done
}
