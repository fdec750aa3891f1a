package memory_test

import (
	"fmt"
	"testing"
	"testing/synctest"
	"time"

	"github.com/wirepost/wirepost/engine"
	"github.com/wirepost/wirepost/engine/memory"
)

func push(t *testing.T, e engine.Engine, in engine.Entry) engine.Result {
	t.Helper()
	rs, err := e.Append(t.Context(), []engine.Entry{in})
	if err != nil {
		t.Fatal(err)
	}
	return rs[0]
}

// When the budget is exceeded, the oldest records of all channels are removed and
// reported as lost.
func TestBudget(t *testing.T) {
	e := memory.New(memory.Options{MaxBytes: 100 << 10})
	data := make([]byte, 1000)
	for i := range 300 {
		push(t, e, engine.Entry{Channel: fmt.Sprint("c", i/100), Data: data})
	}
	total := 0
	for i := range 3 {
		channel := fmt.Sprint("c", i)
		n, err := e.Count(t.Context(), channel, 0)
		if err != nil {
			t.Fatal(err)
		}
		page, err := e.Read(t.Context(), channel, 0, 1000, 1<<30)
		if err != nil || page.Lost != (n < 100) || len(page.Records) != n {
			t.Fatalf("%s: %d records, %d counted, lost %v, %v", channel, len(page.Records), n, page.Lost, err)
		}
		if i < 2 && n != 0 {
			t.Fatalf("%s still has %d records", channel, n)
		}
		total += n
	}
	if total < 70 || total > 100 {
		t.Fatalf("%d records of 1000 bytes fill 100 KiB", total)
	}
}

// Remembered IDs count against the budget.
func TestBudgetOfIDs(t *testing.T) {
	e := memory.New(memory.Options{MaxBytes: 100 << 10})
	for i := range 5000 {
		push(t, e, engine.Entry{Channel: "a", ID: fmt.Sprint(i), Idempotent: true, Limits: engine.Limits{MaxMessages: 1}})
	}
	if r := push(t, e, engine.Entry{Channel: "a", ID: "4999", Idempotent: true}); !r.Duplicate {
		t.Fatal("a recent ID was forgotten")
	}
	if r := push(t, e, engine.Entry{Channel: "a", ID: "0", Idempotent: true}); r.Duplicate {
		t.Fatal("an old ID is still remembered over the budget")
	}
}

// In a synctest bubble the engine uses the bubble's clock and starts no goroutine.
func TestBubble(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		e := memory.New(memory.Options{})
		push(t, e, engine.Entry{Channel: "a", TTL: time.Minute})
		time.Sleep(time.Minute)
		if n, err := e.Count(t.Context(), "a", 0); n != 0 || err != nil {
			t.Fatalf("%d messages, %v", n, err)
		}
	})
}

func BenchmarkAppend(b *testing.B) {
	e := memory.New(memory.Options{})
	data := make([]byte, 256)
	names := make([]string, 1000)
	for i := range names {
		names[i] = fmt.Sprint("user:", i)
	}
	in := make([]engine.Entry, 1)
	b.ReportAllocs()
	for i := 0; b.Loop(); i++ {
		in[0] = engine.Entry{Channel: names[i%1000], Data: data, Limits: engine.Limits{MaxAge: time.Hour, MaxMessages: 1000}}
		if _, err := e.Append(b.Context(), in); err != nil {
			b.Fatal(err)
		}
	}
}
