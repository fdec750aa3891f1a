package user_test

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/wirepost/wirepost/engine"
	"github.com/wirepost/wirepost/engine/memory"
	"github.com/wirepost/wirepost/internal/user"
)

// replicated is the store of a node whose changes go through a log.
type replicated struct {
	*memory.Engine
	log *sharedLog
	us  *user.Users
	at  int // how much of the log it has applied
	// fail makes a save fail, although it is in the log.
	fail bool
}

// sharedLog is the log. Its mutex is held by all that changes a store: the goroutines of
// the users save as well.
type sharedLog struct {
	sync.Mutex
	entries []logged
}

type logged struct {
	by      *replicated
	updates []engine.Update
}

func (r *replicated) Save(_ context.Context, updates []engine.Update, _ bool) error {
	var copies []engine.Update
	for _, up := range updates {
		up.Leave = slices.Clone(up.Leave)
		copies = append(copies, up)
	}
	r.log.Lock()
	defer r.log.Unlock()
	r.log.entries = append(r.log.entries, logged{r, copies})
	if r.fail {
		return errors.New("the log does not answer")
	}
	r.applyLocked(len(r.log.entries))
	return nil
}

// apply applies some of what it has not applied of the log: of n entries as many as upTo says.
func (r *replicated) apply(upTo func(n int) int) {
	r.log.Lock()
	defer r.log.Unlock()
	r.applyLocked(r.at + upTo(len(r.log.entries)-r.at))
}

func all(n int) int { return n }

// setFail makes saves fail, or not.
func (r *replicated) setFail(fail bool) {
	r.log.Lock()
	defer r.log.Unlock()
	r.fail = fail
}

// applyLocked applies the log up to a length.
func (r *replicated) applyLocked(n int) {
	for ; r.at < n; r.at++ {
		entry := r.log.entries[r.at]
		if err := r.Engine.Save(context.Background(), entry.updates, true); err != nil {
			panic(err)
		}
		for i := range entry.updates {
			r.us.Logged(&entry.updates[i], entry.by == r)
		}
	}
}

func newReplicated(t *testing.T, log *sharedLog) *replicated {
	r := &replicated{Engine: memory.New(memory.Options{}), log: log}
	r.us = user.New(user.Config{
		Store: r, LogOf: func(string) engine.Log { return r }, Logger: slog.New(slog.DiscardHandler), Shared: true, Ready: func() error { return nil },
	})
	return r
}

// describe is what a user is, in one form for what is in memory and what is stored.
func describe(t *testing.T, us *user.Users, u *user.User, channels []string) string {
	var out strings.Builder
	members := u.Memberships()
	slices.Sort(members)
	fmt.Fprint(&out, members)
	for _, channel := range channels {
		read, _, err := us.Unread(t.Context(), u, channel)
		if err != nil {
			t.Fatal(err)
		}
		fmt.Fprint(&out, " ", channel, ":", read, u.Cursors(channel))
	}
	return out.String()
}

// TestNodesAgree: whatever several nodes change, and however late they see the log, they
// agree with it in the end, as a node does that loads the user only then.
func TestNodesAgree(t *testing.T) {
	t.Parallel()
	channels := []string{"user:42", "x", "y", ""} // the last one is the mark of revoked tokens
	devices := []string{"", "phone"}
	for seed := range uint64(1000) {
		rnd := rand.New(rand.NewPCG(seed, 1))
		var log sharedLog
		nodes := []*replicated{newReplicated(t, &log), newReplicated(t, &log), newReplicated(t, &log)}
		var users []*user.User
		for _, n := range nodes {
			u, err := n.us.Acquire(t.Context(), "42")
			if err != nil {
				t.Fatal(err)
			}
			users = append(users, u)
		}
		for range 40 {
			i := rnd.IntN(len(nodes))
			n, u := nodes[i], users[i]
			channel, device, seq := channels[rnd.IntN(3)], devices[rnd.IntN(2)], rnd.Uint64N(100)
			switch rnd.IntN(8) {
			case 0:
				if channel != "user:42" {
					u.Join(channel, seq)
				}
			case 1:
				u.Leave(channel)
				if rnd.IntN(2) == 0 {
					u.RevokeBefore(seq, max(seq, 50))
				}
			case 2:
				u.AdvanceRead(channel, seq)
			case 3:
				u.Acknowledge(device, channel, seq)
			case 4:
				if _, err := u.ConnectDevice(device, time.Now(), 1+rnd.IntN(2)); err != nil {
					continue // no other one may be forgotten
				}
			case 5:
				n.apply(func(n int) int { return rnd.IntN(n + 1) })
			default:
				n.setFail(rnd.IntN(4) == 0)
				n.us.Save(t.Context(), u, true) //nolint:errcheck // it may fail
				n.setFail(false)
			}
		}
		for range 2 {
			for i, n := range nodes {
				n.apply(all)
				if err := n.us.Save(t.Context(), users[i], true); err != nil {
					t.Fatal(err)
				}
			}
		}
		for _, n := range nodes {
			n.apply(all)
		}
		fresh := newReplicated(t, &log)
		fresh.apply(all)
		loaded, err := fresh.us.Acquire(t.Context(), "42")
		if err != nil {
			t.Fatal(err)
		}
		want := describe(t, fresh.us, loaded, channels)
		for i, n := range nodes {
			if got := describe(t, n.us, users[i], channels); got != want {
				for k, entry := range log.entries {
					t.Logf("%d by %d: %+v", k, slices.Index(nodes, entry.by), entry.updates)
				}
				t.Fatalf("seed %d: node %d has %s, the log says %s", seed, i, got, want)
			}
			n.us.Release(users[i])
			n.us.Close()
		}
		fresh.us.Release(loaded)
		fresh.us.Close()
	}
}
