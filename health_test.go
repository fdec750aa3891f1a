package wirepost_test

import (
	"context"
	"sync/atomic"
	"testing"

	"github.com/wirepost/wirepost"
	"github.com/wirepost/wirepost/engine"
)

// fullEngine refuses writes once it is full.
type fullEngine struct {
	engine.Engine
	full atomic.Bool
}

func (e *fullEngine) Ready() error {
	if e.full.Load() {
		return engine.ErrFull
	}
	return nil
}

func (e *fullEngine) Append(ctx context.Context, entries []engine.Entry) ([]engine.Result, error) {
	if e.full.Load() {
		return nil, engine.ErrFull
	}
	return e.Engine.Append(ctx, entries)
}

func (e *fullEngine) Save(ctx context.Context, updates []engine.Update, sync bool) error {
	if e.full.Load() {
		return engine.ErrFull
	}
	return e.Engine.Save(ctx, updates, sync)
}

// On a full disk clients connect and read, also with devices that the store does not
// know yet.
func TestClientsConnectWhileTheStoreRefusesWrites(t *testing.T) {
	t.Parallel()
	e := new(fullEngine)
	n := newNode(t, func(o *wirepost.Options) {
		e.Engine = o.Engine
		o.Engine = e
	})
	n.json("user:42", `"stored"`)
	e.full.Store(true) // no session is connected yet
	if n.Ready() == nil {
		t.Error("Ready returned nil")
	}
	n.dial("42").want(`"stored"`)
	v1, hello := n.dialV1("42&device=new")
	if got := hello.channel("user:42").num("unread"); got != 1 {
		t.Errorf("%d unread", got)
	}
	v1.message(`"stored"`)
	n.events("42&device=stream").message(`"stored"`)
	if got := n.poll("42&device=poll&wait=0").data(t); len(got) != 1 {
		t.Errorf("a poll returned %v", got)
	}
	for m, err := range n.Subscribe(t.Context(), "user:42", 0) {
		if err != nil || m.Seq != 1 {
			t.Errorf("a subscriber got %v, %v", m, err)
		}
		break
	}
}
