package schedule

import (
	"context"
	"errors"
	"log/slog"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/wirepost/wirepost/engine"
	"github.com/wirepost/wirepost/engine/memory"
	"github.com/wirepost/wirepost/internal/testlog"
)

// bench is a Schedule over an engine in memory, in a bubble. Its clock is the bubble's plus
// jump.
type bench struct {
	t      *testing.T
	log    *flaky
	memory engine.Engine
	config Config
	lines  testlog.Buffer

	mu    sync.Mutex
	jump  time.Duration
	steps []string // the IDs of the steps that were run
	fail  error    // of Steps
}

// flaky is a log whose appends of records fail while there is an error.
type flaky struct {
	engine.Engine
	mu    sync.Mutex
	err   error
	tries int
	block chan struct{} // appends wait until it is closed; nil: they do not
}

func (f *flaky) Append(ctx context.Context, entries []engine.Entry) ([]engine.Result, error) {
	f.mu.Lock()
	err, block := f.err, f.block
	f.tries++
	f.mu.Unlock()
	if block != nil {
		<-block
	}
	if err != nil {
		return nil, err
	}
	return f.Engine.Append(ctx, entries)
}

func (f *flaky) set(err error) (tries int) {
	f.mu.Lock()
	defer f.mu.Unlock()
	tries, f.tries, f.err = f.tries, 0, err
	return tries
}

func newBench(t *testing.T) *bench {
	b := &bench{t: t, log: &flaky{Engine: memory.New(memory.Options{})}, memory: memory.New(memory.Options{})}
	t.Cleanup(func() {
		if err := errors.Join(b.log.Close(), b.memory.Close()); err != nil {
			t.Error(err)
		}
	})
	b.config = Config{
		Log: b.log, Memory: b.memory, MemoryOnly: func(channel string) bool { return strings.HasPrefix(channel, "memory") },
		Limits: func(string) engine.Limits { return engine.Limits{} }, Now: b.now, Ready: func() error { return nil },
		Steps: b.run, Logger: slog.New(slog.NewTextHandler(&b.lines, nil)),
	}
	return b
}

func (b *bench) now() time.Time {
	b.mu.Lock()
	defer b.mu.Unlock()
	return time.Now().Add(b.jump)
}

func (b *bench) jumpTo(d time.Duration) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.jump = d
}

// run settles steps: it removes their timers.
func (b *bench) run(ctx context.Context, timers []engine.Timer, _ int64) error {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.fail != nil {
		return b.fail
	}
	for i := range timers {
		b.steps = append(b.steps, timers[i].ID)
		if _, err := b.log.Engine.Append(ctx, []engine.Entry{removal(&timers[i])}); err != nil {
			return err
		}
	}
	return nil
}

// at schedules a message whose data is its ID, for a time after now.
func (b *bench) at(after time.Duration, channel, id string) {
	b.t.Helper()
	b.entry(after, &engine.Entry{Channel: channel, ID: id, Idempotent: true, Data: []byte(id)})
}

func (b *bench) entry(after time.Duration, in *engine.Entry) {
	b.t.Helper()
	now := b.now().UnixMilli()
	out, err := b.log.Engine.Append(context.Background(), []engine.Entry{Entry(in, now, now+after.Milliseconds())})
	if err != nil || out[0].Err != nil {
		b.t.Fatal(out, err)
	}
}

func (b *bench) step(after time.Duration, id string) {
	b.t.Helper()
	due := b.now().Add(after).UnixMilli()
	out, err := b.log.Engine.Append(context.Background(), []engine.Entry{{Channel: "user:42", Bare: true, Sets: &engine.Timer{Kind: engine.TimerStep, ID: id, Due: due}}})
	if err != nil || out[0].Err != nil {
		b.t.Fatal(out, err)
	}
}

// pushed are the messages of a channel, in order.
func (b *bench) pushed(channel string) (all []string) {
	b.t.Helper()
	log := engine.Engine(b.log)
	if b.config.MemoryOnly(channel) {
		log = b.memory
	}
	page, err := log.Read(context.Background(), channel, 0, 10_000, 1<<30)
	if err != nil {
		b.t.Fatal(err)
	}
	for _, r := range page.Records {
		all = append(all, string(r.Data))
	}
	return all
}

func (b *bench) want(channel string, ids ...string) {
	b.t.Helper()
	if got := b.pushed(channel); !slices.Equal(got, ids) {
		b.t.Errorf("%s has %q, want %q", channel, got, ids)
	}
}

// start starts the Schedule of a bench, which ends with the test.
func (b *bench) start() *Schedule {
	s := New(b.config)
	b.t.Cleanup(s.Close)
	return s
}

// inBubble runs a test in a bubble.
func inBubble(t *testing.T, test func(t *testing.T)) {
	t.Parallel()
	synctest.Test(t, test)
}
