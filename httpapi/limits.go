package httpapi

import (
	"sync/atomic"
	"time"

	"golang.org/x/time/rate"

	"github.com/wirepost/wirepost"
)

// Why requests are refused, as wirepost_refused_total counts them.
const (
	refusedPace   = "push_rate"
	refusedMemory = "push_memory"
	refusedNoKey  = "api_key"
	refusedScopes = "api_scope"
	refusedSlow   = "slow_body"
)

// pace is how many messages a second a key may push. A push of many messages may
// take more than is there; what it owes is taken from those that come after it.
// A nil *pace allows everything.
type pace struct{ bucket *rate.Limiter }

// newPace makes the pace of a key. A second's worth may come at once.
func newPace(perSecond int) *pace {
	if perSecond <= 0 {
		return nil
	}
	return &pace{rate.NewLimiter(rate.Limit(perSecond), perSecond)}
}

// admit takes one message, or says when to come again.
func (p *pace) admit() error {
	now := time.Now()
	if p == nil || p.bucket.AllowN(now, 1) {
		return nil
	}
	missing := 1 - p.bucket.TokensAt(now)
	return &wirepost.Error{
		Code: wirepost.CodeRateLimited, Message: "this API key pushes more messages per second than it may",
		RetryAfter: time.Duration(missing / float64(p.bucket.Limit()) * float64(time.Second)),
	}
}

// owe takes n messages, whether they are there or not, and says how long it will
// be until they are.
func (p *pace) owe(n int) time.Duration {
	if p == nil {
		return 0
	}
	now, delay := time.Now(), time.Duration(0)
	for n > 0 {
		part := min(n, p.bucket.Burst())
		delay = p.bucket.ReserveN(now, part).DelayFrom(now)
		n -= part
	}
	return delay
}

// budget bounds the memory of all pushes under way, by what their bodies may come
// to.
type budget struct {
	limit int64
	used  atomic.Int64
}

// take reserves bytes, to be given back. One push is always allowed, whatever its
// size.
func (b *budget) take(n int64) bool {
	if used := b.used.Add(n); used > b.limit && used > n {
		b.used.Add(-n)
		return false
	}
	return true
}

// takeMore reserves bytes for a push that has a part already. It leaves a quarter to
// those that are still to come.
func (b *budget) takeMore(n int64) bool {
	if b.used.Add(n) > b.limit-b.limit/4 {
		b.used.Add(-n)
		return false
	}
	return true
}

func (b *budget) give(n int64) { b.used.Add(-n) }

var errOverload = &wirepost.Error{
	Code: wirepost.CodeUnavailable, Message: "too many pushes are under way: come again in a moment", RetryAfter: time.Second,
}

// pushOverhead is what a push takes besides its body, in bytes, roughly.
const pushOverhead = 4 << 10

// weigh says what a push with a body of up to limit bytes may take: the body, and
// the message made of it.
func weigh(length int64, limit int) int64 {
	if length < 0 || length > int64(limit) {
		length = int64(limit)
	}
	return 2*length + pushOverhead
}

// What a stream of pushes takes, in bytes: at first, for every push besides its
// data, and as much at once, so that not every line asks.
const (
	streamWeight = lineBuffer + 2*listChunk + pushOverhead
	pushWeight   = 256
	holdWeight   = 64 << 10
)

// hold takes more memory for a stream, which pushLines gives back with the rest in
// the end.
func (b *bulk) hold(n int64) bool {
	if !b.api.memory.takeMore(n) {
		return false
	}
	b.held.Add(n)
	return true
}

func (b *bulk) release(n int64) {
	b.held.Add(-n)
	b.api.memory.give(n)
}

// grow is for the buffer of a stream's lines.
func (b *bulk) grow(by int) bool {
	if by < 0 {
		b.release(int64(-by))
		return true
	}
	if b.hold(int64(by)) {
		return true
	}
	b.api.srv.CountRefusal(refusedMemory)
	return false
}

// fitsLocked takes the memory for a line of a batch. When there is none, a batch
// that has lines is to be pushed first; one line is always allowed, or streams
// would wait for each other.
func (b *bulk) fitsLocked(weight int64) bool {
	t := b.filling
	if t.held-t.weight >= weight {
		t.weight += weight
		return true
	}
	n := max(weight, holdWeight)
	if !b.hold(n) {
		if len(t.lines) > 0 {
			return false
		}
		n = weight
		b.api.memory.used.Add(n)
		b.held.Add(n)
	}
	t.held += n
	t.weight += weight
	return true
}

// begin admits a push before its body is read, or refuses it. Who was admitted
// calls done.
func (a *api) begin(weight int64) (done func(), err error) {
	if !a.memory.take(weight) {
		a.srv.CountRefusal(refusedMemory)
		return nil, errOverload
	}
	return func() { a.memory.give(weight) }, nil
}

// beginOne is begin for a push that is one request, which its key's pace has to
// allow as well.
func (a *api) beginOne(r *request, limit int) (done func(), err error) {
	if err := r.key.pace.admit(); err != nil {
		a.srv.CountRefusal(refusedPace)
		return nil, err
	}
	return a.begin(weigh(r.ContentLength, limit))
}
