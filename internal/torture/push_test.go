package torture

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"hash/fnv"
	"math/rand/v2"
	"net/http"
	"strings"
	"time"

	"github.com/wirepost/wirepost/client"
)

// payload is what a message with that name holds: the name, and some of it again,
// so that a damaged one is noticed.
func payload(id string) string {
	h := fnv.New32a()
	h.Write([]byte(id)) //nolint:errcheck // it never fails
	return `{"id":"` + id + `","pad":"` + strings.Repeat(id+" ", int(h.Sum32()%100)) + `"}`
}

// name is the name of the message that holds data; nothing else was pushed by
// anybody if it is damaged.
func name(data []byte) string {
	var m struct{ ID string }
	if err := json.Unmarshal(data, &m); err != nil || payload(m.ID) != string(data) {
		return fmt.Sprintf("damaged: %.100q", data)
	}
	return m.ID
}

// publisher pushes in one way until the context ends. Its messages have names of
// its own.
type publisher struct {
	*run
	name   string
	random *rand.Rand
	pusher *client.Pusher
	n      int
}

func (p *publisher) next(channels ...string) string {
	p.n++
	id := fmt.Sprintf("%s-%d", p.name, p.n)
	for _, channel := range channels {
		p.h.add(event{kind: pushing, id: id, channel: channel})
	}
	return id
}

func (p *publisher) answered(id, channel string, seq uint64) {
	p.h.add(event{kind: pushed, id: id, channel: channel, seq: seq})
}

// pause is how long a publisher waits, so that readers keep up on a small machine.
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

// singles pushes one at a time, and tries again until there is an answer. Some it
// pushes once more: the answer has to be the first one's.
func (p *publisher) singles(ctx context.Context) {
	for ; ctx.Err() == nil; p.pause(ctx) {
		channel := p.anyChannel(p.random)
		id := p.next(channel)
		for again := 0; again <= p.random.IntN(3)/2; again++ {
			got, err := p.pusher.Push(ctx, client.Push{To: channel, ID: id, Data: []byte(payload(id))})
			if err == nil {
				p.answered(id, channel, got.Seq)
			} else if ctx.Err() == nil {
				p.fail("push: %v", err)
			}
		}
	}
}

// several pushes each message to two inboxes.
func (p *publisher) several(ctx context.Context) {
	inboxes := []string{"user:a", "user:b"}
	for ; ctx.Err() == nil; p.pause(ctx) {
		id := p.next(inboxes...)
		got, err := p.pusher.PushTo(ctx, client.Push{ID: id, Data: []byte(payload(id))}, inboxes...)
		if err != nil && ctx.Err() == nil {
			p.fail("push to several: %v", err)
		}
		for _, one := range got {
			p.answered(id, one.To, one.Seq)
		}
	}
}

// raw posts bodies without an ID, once: nobody knows of those that are not answered.
func (p *publisher) raw(ctx context.Context) {
	hc := &http.Client{Transport: p.transport()}
	defer hc.CloseIdleConnections()
	for ; ctx.Err() == nil; p.pause(ctx) {
		channel := p.anyChannel(p.random)
		id := p.next(channel)
		r, err := http.NewRequestWithContext(ctx, http.MethodPost, "http://"+p.proxy.address()+"/v1/push/"+channel, strings.NewReader(payload(id)))
		if err != nil {
			p.fail("%v", err)
			return
		}
		r.GetBody = nil // the transport is not to try again by itself
		r.Header.Set("Authorization", "Bearer "+apiKey)
		r.Header.Set("Content-Type", "text/plain")
		response, err := hc.Do(r)
		if err != nil {
			continue
		}
		var answer struct{ Messages []client.Pushed }
		err = json.NewDecoder(response.Body).Decode(&answer)
		response.Body.Close()
		switch {
		case response.StatusCode == http.StatusServiceUnavailable:
		case response.StatusCode > 299:
			p.fail("a raw push was answered %s", response.Status)
		case err == nil && len(answer.Messages) == 1:
			p.answered(id, channel, answer.Messages[0].Seq)
		}
	}
}

// stream pushes many without waiting for each.
func (p *publisher) stream(ctx context.Context) {
	s := p.pusher.Stream(ctx)
	defer s.Close() //nolint:errcheck // the context ended it
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
				p.answered(u.id, u.channel, got.Seq)
			} else if ctx.Err() == nil {
				p.fail("stream: %v", err)
			}
		}
	}()
	for ; ctx.Err() == nil; p.pause(ctx) {
		for range p.random.IntN(16) {
			channel := p.anyChannel(p.random)
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
