package pebble_test

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/wirepost/wirepost/engine"
)

// ack is a successful append. A publisher waits for each, so only the last push of each
// publisher is unconfirmed.
type ack struct {
	publisher, n int
	kind         string
	channel      string
	seq, prev    uint64
	revokes      uint64
	key          string
	late         bool // returned after the disk was stopped: it proves nothing
}

func (a ack) id() string { return fmt.Sprintf("p%d-%d", a.publisher, a.n) }

func (a ack) String() string {
	return fmt.Sprintf("%d %d %s %s %d %d %d %q", a.publisher, a.n, a.kind, a.channel, a.seq, a.prev, a.revokes, a.key)
}

// readAcks reads what a child process reported, up to where it was cut off.
func readAcks(r io.Reader) (acks []ack) {
	lines := bufio.NewScanner(r)
	for lines.Scan() {
		var a ack
		_, err := fmt.Sscanf(lines.Text(), "%d %d %s %s %d %d %d %q",
			&a.publisher, &a.n, &a.kind, &a.channel, &a.seq, &a.prev, &a.revokes, &a.key)
		if err == nil {
			acks = append(acks, a)
		}
	}
	return acks
}

// pushAll has publishers append to the engine until it fails or stop is closed.
// Publisher numbers begin with first.
func pushAll(e engine.Engine, first, publishers int, stop <-chan struct{}, acked func(ack)) {
	var wg sync.WaitGroup
	for p := range publishers {
		wg.Go(func() {
			a := ack{publisher: first + p}
			for ; ; a.n++ {
				select {
				case <-stop:
					return
				default:
				}
				last := a.seq
				in := a.entry(last)
				rs, err := e.Append(context.Background(), []engine.Entry{in})
				if err != nil {
					return
				}
				a.seq, a.prev = rs[0].Seq, rs[0].Prev
				acked(a)
			}
		})
	}
	wg.Wait()
}

// countedLimits are those of the channel "counted".
var countedLimits = engine.Limits{MaxMessages: 50}

// entry chooses the n-th push of a publisher and returns its entry. Every eighth is a
// message to a channel of the publisher's own, and the next one revokes it.
func (a *ack) entry(last uint64) engine.Entry {
	kinds := []string{"plain", "counted", "keyed", "chosen", "own", "revoke", "keyed", "counted"}
	a.kind, a.key, a.revokes = kinds[a.n%len(kinds)], "", 0
	a.channel = a.kind
	in := engine.Entry{ID: a.id(), Data: []byte(strings.Repeat(a.id(), 1+a.n%20))}
	switch a.kind {
	case "counted":
		in.Limits = countedLimits
	case "keyed":
		a.key = fmt.Sprintf("k%d", a.n%16)
		in.Key = a.key
		in.Limits.MaxAge = time.Hour
		if a.n%3 == 0 {
			in.TTL = time.Hour
		}
	case "chosen":
		in.Idempotent = true
	case "own":
		a.channel = fmt.Sprintf("own:%d", a.publisher)
	case "revoke":
		a.channel = fmt.Sprintf("own:%d", a.publisher)
		a.revokes = last
		in = engine.Entry{Revokes: last}
	}
	in.Channel = a.channel
	return in
}

// verify checks a reopened store against what was acknowledged before.
func verify(t *testing.T, e engine.Engine, acks []ack) {
	t.Helper()
	byChannel := make(map[string][]ack)
	answered := make(map[int]int) // publisher → pushes
	for _, a := range acks {
		if !a.late {
			byChannel[a.channel] = append(byChannel[a.channel], a)
		}
		answered[a.publisher] = max(answered[a.publisher], a.n+1)
	}
	for channel, acks := range byChannel {
		s := stored(t, e, channel)
		s.wantPushed(t, answered)
		s.wantAcks(t, acks)
		if acks[0].kind == "keyed" {
			s.wantKeys(t, acks)
		}
		if acks[0].kind == "counted" && s.count > countedLimits.MaxMessages {
			t.Errorf("%s holds %d messages", channel, s.count)
		}
	}
	for _, a := range byChannel["chosen"] {
		in := a.again()
		rs, err := e.Append(t.Context(), []engine.Entry{in})
		if err != nil || !rs[0].Duplicate || rs[0].Seq != a.seq || rs[0].Prev != a.prev {
			t.Fatalf("%s pushed again: %+v, %v; first it was %d", in.ID, rs, err, a.seq)
		}
	}
	for channel := range byChannel {
		head := stored(t, e, channel).bounds.Head
		in := engine.Entry{Channel: channel, ID: "next"}
		if channel == "counted" {
			in.Limits = countedLimits // the next child may die before it pushes there
		}
		rs, err := e.Append(t.Context(), []engine.Entry{in})
		if err != nil || rs[0].Prev != head || rs[0].Seq <= head {
			t.Fatalf("append to %q after %d: %+v, %v", channel, head, rs, err)
		}
	}
}

// again is the entry of an acknowledged push.
func (a ack) again() engine.Entry { return a.entry(0) }

// log is a whole channel as it is stored.
type log struct {
	channel string
	records map[uint64]*engine.Record
	order   []*engine.Record
	bounds  engine.Bounds
	count   int
}

func stored(t *testing.T, e engine.Engine, channel string) log {
	t.Helper()
	page, err := e.Read(t.Context(), channel, 0, 1<<30, 1<<40)
	if err != nil {
		t.Fatal(err)
	}
	l := log{channel: channel, records: make(map[uint64]*engine.Record), order: page.Records}
	if l.bounds, err = e.Bounds(t.Context(), channel); err != nil {
		t.Fatal(err)
	}
	if l.count, err = e.Count(t.Context(), channel, 0); err != nil {
		t.Fatal(err)
	}
	messages, last := 0, uint64(0)
	for _, r := range page.Records {
		if r.Seq <= last || r.Prev < last || r.Prev >= r.Seq {
			t.Fatalf("%q: record %d with prev %d follows %d", channel, r.Seq, r.Prev, last)
		}
		last = r.Seq
		l.records[r.Seq] = r
		if r.Revokes == 0 {
			messages++
		}
	}
	if messages != l.count || last > l.bounds.Head {
		t.Fatalf("%q: %d messages, %d counted, last %d, head %d", channel, messages, l.count, last, l.bounds.Head)
	}
	return l
}

// wantPushed checks that every record was pushed: it was acknowledged, or is the
// one push of its publisher that was under way.
func (l log) wantPushed(t *testing.T, answered map[int]int) {
	t.Helper()
	for _, r := range l.order {
		var a ack
		if r.Revokes != 0 || r.ID == "next" {
			continue
		}
		if _, err := fmt.Sscanf(r.ID, "p%d-%d", &a.publisher, &a.n); err != nil {
			t.Fatalf("%q: a record with the ID %q", l.channel, r.ID)
		}
		in := a.entry(0)
		if a.n > answered[a.publisher] || string(in.Data) != string(r.Data) || in.Channel != l.channel {
			t.Fatalf("%q: %q was not pushed so; publisher %d made %d pushes", l.channel, r.ID, a.publisher, answered[a.publisher])
		}
	}
}

// wantAcks checks that what was acknowledged is there, or gone for a good reason.
func (l log) wantAcks(t *testing.T, acks []ack) {
	t.Helper()
	revoked := make(map[uint64]bool)
	for _, r := range l.order {
		revoked[r.Revokes] = true
	}
	for _, a := range acks {
		r := l.records[a.seq]
		switch {
		case a.seq > l.bounds.Head:
			t.Fatalf("%q: the head is %d, %v was acknowledged", l.channel, l.bounds.Head, a)
		case a.seq <= l.bounds.Lost || revoked[a.seq] || a.kind == "keyed":
		case r == nil:
			t.Fatalf("%q: %v is missing", l.channel, a)
		case r.Prev != a.prev || r.Revokes != a.revokes || r.Revokes == 0 && r.ID != a.id():
			t.Fatalf("%q: %v is stored as %+v", l.channel, a, r)
		}
		if a.revokes != 0 && l.records[a.revokes] != nil {
			t.Fatalf("%q: %d is there, and was revoked by %d", l.channel, a.revokes, a.seq)
		}
	}
}

// wantKeys checks that each key has one message, the latest one.
func (l log) wantKeys(t *testing.T, acks []ack) {
	t.Helper()
	seqs := make(map[string]uint64)
	for _, r := range l.order {
		if r.Key != "" && seqs[r.Key] != 0 {
			t.Fatalf("two messages with the key %q", r.Key)
		}
		seqs[r.Key] = r.Seq
	}
	for _, a := range acks {
		if seqs[a.key] < a.seq {
			t.Fatalf("key %q: message %d is stored, %v was acknowledged", a.key, seqs[a.key], a)
		}
	}
}
