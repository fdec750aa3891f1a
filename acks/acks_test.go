package acks_test

import (
	"context"
	"fmt"
	"log"
	"math/rand/v2"
	"net/http"
	"sync"
	"testing"
	"time"

	"github.com/wirepost/wirepost"
	"github.com/wirepost/wirepost/acks"
)

// Two workers take jobs from a channel and finish them in any order. The program stores
// the low-water mark: after a crash it begins after it, and no job is left out.
func ExampleTracker() {
	srv, err := wirepost.New(wirepost.Options{
		Authenticate: func(*http.Request) (wirepost.Identity, error) { return wirepost.Identity{User: "42"}, nil },
	})
	if err != nil {
		log.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	for i := range 10 {
		if _, err := srv.Push(ctx, wirepost.Push{To: "jobs", Data: fmt.Append(nil, i)}); err != nil {
			log.Fatal(err)
		}
	}

	var tracker acks.Tracker[wirepost.Message]
	var mu sync.Mutex
	var stored uint64 // in truth in the program's database
	jobs := make(chan wirepost.Message)
	var workers sync.WaitGroup
	for range 2 {
		workers.Go(func() {
			for job := range jobs {
				// … the work …
				if last, ok := tracker.Done(job.Channel, job.Seq); ok {
					mu.Lock()
					stored = max(stored, last.Seq)
					mu.Unlock()
				}
			}
		})
	}
	for job, err := range srv.Subscribe(ctx, "jobs", stored) {
		if err != nil {
			log.Fatal(err)
		}
		tracker.Add(job.Channel, job.Seq, job)
		jobs <- job
		if string(job.Data) == "9" {
			break
		}
	}
	close(jobs)
	workers.Wait()
	fmt.Println(stored, tracker.Unfinished())
	if err := srv.Shutdown(ctx); err != nil {
		log.Fatal(err)
	}

	// Output:
	// 10 0
}

func TestTracker(t *testing.T) {
	t.Parallel()
	var tracker acks.Tracker[string]
	for _, seq := range []uint64{1, 3, 4, 9} { // sequences have holes
		tracker.Add("a", seq, fmt.Sprint("a", seq))
	}
	tracker.Add("b", 2, "b2")
	for _, tt := range []struct {
		channel string
		seq     uint64
		last    string
	}{
		{"a", 3, ""},
		{"a", 5, ""}, // not tracked
		{"b", 2, "b2"},
		{"a", 4, ""},
		{"a", 1, "a4"},
		{"a", 1, ""}, // again
		{"c", 1, ""},
		{"a", 9, "a9"},
	} {
		last, ok := tracker.Done(tt.channel, tt.seq)
		if last != tt.last || ok != (tt.last != "") {
			t.Errorf("%s %d: %q, %t", tt.channel, tt.seq, last, ok)
		}
	}
	if n := tracker.Unfinished(); n != 0 {
		t.Errorf("%d are unfinished", n)
	}
	tracker.Add("a", 20, "a20")
	tracker.Add("a", 1, "anew")
	if _, ok := tracker.Done("a", 20); ok {
		t.Error("a message of the old store moves the mark")
	}
	if last, _ := tracker.Done("a", 1); last != "anew" {
		t.Errorf("after it began anew: %q", last)
	}
}

// Whatever the order in which they finish, the mark never passes an unfinished message and
// ends at the last one.
func TestTrackerInAnyOrder(t *testing.T) {
	t.Parallel()
	var tracker acks.Tracker[int]
	const n = 500
	for i := range n {
		tracker.Add("a", uint64(i+1), i)
	}
	finished := make([]bool, n)
	mark := -1
	for _, i := range rand.Perm(n) {
		finished[i] = true
		last, ok := tracker.Done("a", uint64(i+1))
		if !ok {
			continue
		}
		if last <= mark {
			t.Fatalf("the mark goes from %d to %d", mark, last)
		}
		for ; mark < last; mark++ {
			if !finished[mark+1] {
				t.Fatalf("the mark %d passes %d", last, mark+1)
			}
		}
	}
	if mark != n-1 {
		t.Errorf("it ends at %d", mark)
	}
}
