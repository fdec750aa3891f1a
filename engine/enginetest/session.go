package enginetest

import (
	"fmt"
	"math"
	"math/rand/v2"
	"os"
	"reflect"
	"slices"
	"strconv"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"github.com/wirepost/wirepost/engine"
)

// RoundsVar names the environment variable that sets how many random runs the model test
// makes, instead of a few.
const RoundsVar = "WIREPOST_MODEL_ROUNDS"

// Reopener is an engine that can be closed and reopened with its stored data. The model
// test does so now and then.
type Reopener interface {
	engine.Engine
	Reopen() error
}

// testModel performs random operations on an engine and on the model, and compares their
// results. The name of a run is its seed.
func testModel(t *testing.T, make New) {
	rounds := modelRounds
	if n, err := strconv.Atoi(os.Getenv(RoundsVar)); err == nil {
		rounds = n
	}
	for seed := range rounds {
		t.Run(fmt.Sprint(seed), func(t *testing.T) {
			t.Parallel()
			c := NewClock()
			e := make(t, c)
			defer e.Close()
			s := &session{
				t: t, e: e, clock: c, rand: rand.New(rand.NewPCG(uint64(seed), 1)),
				model: model{now: c.steady, logs: map[string]*modelLog{}, users: map[string]*modelUser{}},
			}
			for s.step = range 1500 {
				s.act()
				if t.Failed() {
					t.Fatalf("at step %d", s.step)
				}
			}
		})
	}
}

// session is one random run.
type session struct {
	t     *testing.T
	e     engine.Engine
	clock *Clock
	rand  *rand.Rand
	model model
	step  int
}

var (
	modelChannels = []string{"a", "ab", "user:1", "user:11", "mixed", "long", "long"}
	modelKeys     = []string{"", "", "", "k", "k2", "kk"}
	modelUsers    = []string{"1", "11", "2"}
	modelDevices  = []string{"", "d", "dd"}
)

func pick[T any](r *rand.Rand, from []T) T { return from[r.IntN(len(from))] }

func (s *session) act() {
	switch n := s.rand.IntN(100); {
	case n < 55:
		s.append()
	case n < 70:
		s.read()
	case n < 80:
		s.clock.Advance(pick(s.rand, []time.Duration{
			time.Millisecond, 100 * time.Millisecond, time.Second, 10 * time.Second, time.Minute, 10 * time.Minute,
		}))
	case n < 81:
		s.clock.Advance(7 * time.Hour)
		s.jump()
	case n < 82:
		if r, ok := s.e.(Reopener); ok {
			s.equal("reopen", r.Reopen(), nil)
		}
	case n < 84:
		channel := s.channel()
		through := s.near(s.model.log(channel).head)
		s.model.trim(channel, through)
		s.equal("trim", s.e.Trim(s.t.Context(), channel, through), nil)
	case n < 95:
		s.save()
	case n < 97:
		s.compareTimers()
	default:
		for _, channel := range modelChannels {
			s.compare(channel)
		}
	}
}

// jump sets the wall clock for a few steps in which little time passes. It must have no
// visible effect.
func (s *session) jump() {
	by := time.Duration(s.rand.Int64N(int64(200*time.Hour))) - 100*time.Hour
	s.clock.Jump(by)
	for range 3 {
		s.append()
		s.read()
		s.clock.Advance(time.Second)
	}
	s.clock.Jump(-by)
}

func (s *session) channel() string { return pick(s.rand, modelChannels) }

// near returns a sequence close to another.
func (s *session) near(seq uint64) uint64 {
	return uint64(max(0, int64(seq)-s.rand.Int64N(30)+3))
}

func (s *session) append() {
	entries := make([]engine.Entry, 1+s.rand.IntN(3)*s.rand.IntN(3))
	for i := range entries {
		entries[i] = s.entry()
	}
	if s.rand.IntN(40) == 0 { // makes the log much longer than its live messages
		for range 100 {
			entries = append(entries, engine.Entry{Channel: "long", Key: pick(s.rand, modelKeys[2:]), ID: "k"})
		}
	}
	got, err := s.e.Append(s.t.Context(), entries)
	s.equal("append", err, nil)
	want := make([]engine.Result, len(entries))
	for i := range entries {
		want[i] = s.model.append(&entries[i])
	}
	s.equal("append", got, want)
}

func (s *session) entry() engine.Entry {
	in := engine.Entry{Channel: s.channel(), ID: fmt.Sprint(s.rand.IntN(40)), Data: fmt.Append(nil, s.step)}
	switch in.Channel {
	case "a":
		in.Limits = engine.Limits{MaxMessages: 7}
	case "ab":
		in.Limits = engine.Limits{MaxAge: time.Hour, MaxMessages: 40}
	case "user:1":
		in.Limits = engine.Limits{MaxAge: 20 * time.Minute}
	case "mixed":
		in.Limits.MaxAge = pick(s.rand, []time.Duration{0, 100 * time.Microsecond, time.Minute, time.Hour})
		in.Limits.MaxMessages = pick(s.rand, []int{0, 1, 5, 20})
	}
	if s.rand.IntN(8) == 0 {
		in.Revokes = s.near(s.model.log(in.Channel).head)
		return in
	}
	in.Key = pick(s.rand, modelKeys)
	in.Idempotent = s.rand.IntN(4) == 0
	if s.rand.IntN(8) == 0 {
		in.Forgets = fmt.Sprint(s.rand.IntN(40))
	}
	s.timers(&in)
	if s.rand.IntN(3) == 0 {
		in.TTL = pick(s.rand, []time.Duration{time.Nanosecond, 1500 * time.Microsecond, time.Second, time.Minute, 30 * time.Minute, 2 * time.Hour})
	}
	return in
}

// timers has an entry set a timer, or end one, that it may know or not.
func (s *session) timers(in *engine.Entry) {
	timer := func() *engine.Timer {
		return &engine.Timer{
			Kind: pick(s.rand, []engine.TimerKind{engine.TimerPush, engine.TimerStep}), ID: fmt.Sprint(s.rand.IntN(4)),
			Due: s.clock.Now().UnixMilli() + s.rand.Int64N(100), Data: fmt.Append(nil, s.step),
		}
	}
	if s.rand.IntN(6) == 0 {
		in.Sets = timer()
		in.Bare = s.rand.IntN(2) == 0
	}
	if s.rand.IntN(8) == 0 {
		in.Ends = timer()
		if known := s.model.timer(in.Channel, in.Ends); known != nil && s.rand.IntN(4) > 0 {
			in.Ends.Due = known.Due
		}
	}
}

func (s *session) compareTimers() {
	at, limit := s.clock.Now().UnixMilli()+s.rand.Int64N(120), 1+s.rand.IntN(20)
	got, next, err := s.e.DueTimers(s.t.Context(), at, limit)
	s.equal("due", err, nil)
	want := s.model.due(math.MaxInt64, math.MaxInt)
	n := len(s.model.due(at, limit))
	s.equal("due", got, want[:n])
	if n < len(want) && next > want[n].Due {
		s.t.Errorf("step %d: next is %d, but a timer is due at %d", s.step, next, want[n].Due)
	}
	for _, kind := range []engine.TimerKind{engine.TimerPush, engine.TimerStep} {
		got, err = s.e.ListTimers(s.t.Context(), engine.TimerQuery{Kind: kind}, 1000)
		s.equal("timers", err, nil)
		s.equal("timers", got, s.model.list(kind))
	}
}

func (s *session) read() {
	channel := s.channel()
	after := s.near(s.model.log(channel).head)
	limit, size := 1+s.rand.IntN(8), s.rand.IntN(30)
	got, err := s.e.Read(s.t.Context(), channel, after, limit, size)
	s.equal("read", err, nil)
	want, missed := s.model.read(channel, after, limit, size)
	s.equalPage("page", got, want, missed, channel != "mixed")
	before := s.near(s.model.log(channel).head)
	got, err = s.e.ReadBefore(s.t.Context(), channel, before, limit, size)
	s.equal("read before", err, nil)
	want, missed = s.model.readBefore(channel, before, limit, size)
	s.equalPage("page before", got, want, missed, false)
	n, err := s.e.Count(s.t.Context(), channel, after)
	s.equal("count", err, nil)
	s.equal("count", n, s.model.count(channel, after))
}

// equalPage compares two pages. missed reports whether retention dropped records in their
// range. Without it a page may still report a loss, that of the page before it: when
// maximum ages expired out of order, or when backward reading starts where nothing is
// left. exact forbids that.
func (s *session) equalPage(what string, got, want engine.Page, missed, exact bool) {
	s.t.Helper()
	if !exact {
		if missed && !got.Lost || got.Lost && !want.Lost {
			s.t.Errorf("%s: lost is %v, missed %v, possible %v", what, got.Lost, missed, want.Lost)
		}
		got.Lost, want.Lost = false, false
	}
	s.equal(what, got, want)
}

func (s *session) compare(channel string) {
	got, err := s.e.Read(s.t.Context(), channel, 0, 1<<20, 1<<30)
	s.equal("read", err, nil)
	want, _ := s.model.read(channel, 0, 1<<20, 1<<30)
	s.equal("log", got.Records, want.Records)
	slices.Reverse(want.Records)
	got, err = s.e.ReadBefore(s.t.Context(), channel, math.MaxUint64, 1<<20, 1<<30)
	s.equal("read before", err, nil)
	s.equal("log, newest first", got.Records, want.Records)
	b, err := s.e.Bounds(s.t.Context(), channel)
	s.equal("bounds", err, nil)
	wantBounds := s.model.bounds(channel)
	if channel == "mixed" {
		b.Lost, wantBounds.Lost = 0, 0
	}
	s.equal("bounds", b, wantBounds)
	for after := uint64(0); after <= b.Head; after += 1 + s.rand.Uint64N(b.Head/8+8) {
		n, err := s.e.Count(s.t.Context(), channel, after)
		s.equal("count", err, nil)
		s.equal(fmt.Sprintf("count after %d", after), n, s.model.count(channel, after))
	}
}

func (s *session) save() {
	updates := make([]engine.Update, 1+s.rand.IntN(2))
	for i := range updates {
		updates[i] = s.update()
		s.model.save(&updates[i])
	}
	s.equal("save", s.e.Save(s.t.Context(), updates, s.rand.IntN(4) == 0), nil)
	for _, name := range modelUsers {
		got, err := s.e.Load(s.t.Context(), name)
		s.equal("load", err, nil)
		sortUser(&got)
		s.equal("user", got, s.model.load(name))
	}
	channel := s.channel()
	got, err := s.e.Members(s.t.Context(), channel, "", 10)
	s.equal("members", err, nil)
	s.equal("members", got, s.model.members(channel))
	got, err = s.e.ListUsers(s.t.Context(), "", "", 10)
	s.equal("list users", err, nil)
	s.equal("list users", got, s.model.listUsers())
	got, err = s.e.ListChannels(s.t.Context(), "", "", 10)
	s.equal("list channels", err, nil)
	s.equal("list channels", got, s.model.listChannels())
}

func (s *session) update() engine.Update {
	up := engine.Update{User: pick(s.rand, modelUsers)}
	if s.rand.IntN(4) == 0 {
		up.Leave = append(up.Leave, s.channel())
	}
	if s.rand.IntN(4) == 0 {
		up.Join = append(up.Join, s.channel())
	}
	if s.rand.IntN(2) == 0 {
		up.Marks = append(up.Marks, engine.Mark{
			Channel: s.channel(), Read: s.rand.Uint64N(100), Since: s.rand.Uint64N(2) * s.rand.Uint64N(1000),
		})
	}
	if s.rand.IntN(6) == 0 {
		up.RemoveDevices = append(up.RemoveDevices, pick(s.rand, modelDevices))
	}
	if s.rand.IntN(2) == 0 {
		up.Devices = append(up.Devices, engine.Device{
			Name: pick(s.rand, modelDevices), Used: s.rand.Int64N(100),
			Cursors: []engine.Cursor{{Channel: s.channel(), Seq: s.rand.Uint64N(100)}},
		})
	}
	endpoint := func() string { return fmt.Sprint("https://push.example/", s.rand.IntN(3)) }
	if s.rand.IntN(6) == 0 {
		up.RemovePushSubscriptions = append(up.RemovePushSubscriptions, endpoint())
	}
	if s.rand.IntN(4) == 0 {
		up.PushSubscriptions = append(up.PushSubscriptions, engine.PushSubscription{
			Endpoint: endpoint(), P256dh: []byte{4, byte(s.rand.IntN(256))}, Auth: []byte{byte(s.rand.IntN(256))},
			Device: pick(s.rand, modelDevices), Since: s.rand.Int64N(1000), Expires: s.rand.Int64N(2) * 1789000000000,
		})
	}
	return up
}

func (s *session) equal(what string, got, want any) {
	s.t.Helper()
	if reflect.DeepEqual(got, want) { // much faster
		return
	}
	if diff := cmp.Diff(want, got, cmpopts.EquateEmpty(), cmpopts.EquateErrors()); diff != "" {
		s.t.Errorf("step %d, %s (-want +got):\n%s", s.step, what, diff)
	}
}
