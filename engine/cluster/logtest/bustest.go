package logtest

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"sync"
	"testing"

	"github.com/wirepost/wirepost/engine"
)

// RunBus checks a bus against the contract. Open returns the ends of the bus at two nodes,
// which carry nothing yet; with a bus in one process they may be the same.
func RunBus(t *testing.T, open func(t *testing.T) (a, b engine.Bus)) {
	for name, test := range map[string]func(t *testing.T, a, b engine.Bus){
		"Order": testBusOrder, "Topics": testBusTopics, "Request": testBusRequest, "NoResponder": testNoResponder,
		"NoResponse": testNoResponse, "Size": testBusSize, "Stop": testBusStop, "Ended": testBusEnded,
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			a, b := open(t)
			test(t, a, b)
		})
	}
}

// hello is a message that subscribe answers itself.
const hello = "hello, is this subscription known?"

// subscribe subscribes at a node, and waits until another one knows that. Of several
// subscriptions to a topic it may know only one.
func subscribe(t *testing.T, at, other engine.Bus, topic string, f func([]byte) []byte) (stop func()) {
	t.Helper()
	stop, err := at.Subscribe(topic, func(data []byte) []byte {
		if string(data) == hello {
			return data
		}
		return f(data)
	})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(stop)
	for err = engine.ErrNoResponder; errors.Is(err, engine.ErrNoResponder); {
		_, err = other.Request(t.Context(), topic, []byte(hello))
	}
	if err != nil {
		t.Fatal(err)
	}
	return stop
}

func publish(t *testing.T, b engine.Bus, topic, data string) {
	t.Helper()
	if err := b.Publish(t.Context(), topic, []byte(data)); err != nil {
		t.Fatal(err)
	}
}

// receive returns a subscriber that sends its messages to a channel.
func receive(to chan<- string) func([]byte) []byte {
	return func(data []byte) []byte {
		to <- string(data)
		return nil
	}
}

// testBusOrder: every subscription of both nodes gets what a node publishes, in order, one
// call at a time.
func testBusOrder(t *testing.T, a, b engine.Bus) {
	const n, publishers = 200, 3
	var done sync.WaitGroup
	for _, at := range []engine.Bus{a, a, b} {
		next := make([]int, publishers)
		left := n * publishers
		var one sync.Mutex
		done.Add(1)
		subscribe(t, at, b, "topic", func(data []byte) []byte {
			if !one.TryLock() {
				t.Error("two calls at a time")
			}
			defer one.Unlock()
			var p, i int
			if _, err := fmt.Sscan(string(data), &p, &i); err != nil || i != next[p] {
				t.Errorf("got %q, want %d of it, %v", data, next[p], err)
			}
			next[p] = i + 1
			if left--; left == 0 {
				done.Done()
			}
			return nil
		})
	}
	for p := range publishers {
		done.Go(func() {
			for i := range n {
				publish(t, b, "topic", fmt.Sprint(p, " ", i))
			}
		})
	}
	done.Wait()
}

// testBusTopics: any text is a topic, and no other.
func testBusTopics(t *testing.T, a, b engine.Bus) {
	topics := []string{"a", "a.b", "a.*", "a.>", "*", ">", ".", "..", " ", "a b", "ä", "%2A", "user:1/2", "\n", "A"}
	got := make(map[string]chan string)
	for _, topic := range topics {
		got[topic] = make(chan string, 2)
		subscribe(t, a, b, topic, receive(got[topic]))
	}
	for _, topic := range topics {
		publish(t, b, topic, topic)
	}
	for _, topic := range topics {
		if data := <-got[topic]; data != topic {
			t.Errorf("topic %q got %q", topic, data)
		}
	}
}

func testBusRequest(t *testing.T, a, b engine.Bus) {
	subscribe(t, a, b, "double", func(data []byte) []byte { return append(data[:len(data):len(data)], data...) })
	subscribe(t, b, a, "empty", func([]byte) []byte { return []byte{} })
	var running sync.WaitGroup
	for i := range 20 {
		running.Go(func() {
			data := fmt.Sprint(i, ",")
			got, err := []engine.Bus{a, b}[i%2].Request(t.Context(), "double", []byte(data))
			if err != nil || string(got) != data+data {
				t.Errorf("%q: %q, %v", data, got, err)
			}
		})
	}
	running.Wait()
	for _, from := range []engine.Bus{a, b} {
		if got, err := from.Request(t.Context(), "empty", nil); err != nil || len(got) != 0 {
			t.Errorf("an empty response: %q, %v", got, err)
		}
	}
}

// testNoResponder: a request without a subscriber fails at once.
func testNoResponder(t *testing.T, a, b engine.Bus) {
	for _, from := range []engine.Bus{a, b} {
		if got, err := from.Request(t.Context(), "nobody", nil); !errors.Is(err, engine.ErrNoResponder) {
			t.Errorf("%q, %v", got, err)
		}
	}
}

// testNoResponse: a subscriber that does not respond leaves that to others, or to the
// deadline.
func testNoResponse(t *testing.T, a, b engine.Bus) {
	asked := make(chan string, 2)
	subscribe(t, a, b, "silent", receive(asked))
	ctx, cancel := context.WithCancel(t.Context())
	failed := make(chan error)
	go func() {
		_, err := b.Request(ctx, "silent", []byte("?"))
		failed <- err
	}()
	<-asked
	cancel()
	if err := <-failed; !errors.Is(err, context.Canceled) {
		t.Errorf("got %v", err)
	}
	subscribe(t, b, b, "silent", func([]byte) []byte { return []byte("here") })
	if got, err := b.Request(t.Context(), "silent", []byte("?")); err != nil || string(got) != "here" {
		t.Errorf("%q, %v", got, err)
	}
}

// testBusSize: messages and responses of the largest size are carried, larger ones refused.
func testBusSize(t *testing.T, a, b engine.Bus) {
	subscribe(t, a, b, "echo", func(data []byte) []byte { return data })
	data := bytes.Repeat([]byte("x"), engine.MaxBusMessage+1)
	if got, err := b.Request(t.Context(), "echo", data[1:]); err != nil || !bytes.Equal(got, data[1:]) {
		t.Errorf("%d bytes, %v", len(got), err)
	}
	if _, err := b.Request(t.Context(), "echo", data); err == nil {
		t.Error("a request that is too large was sent")
	}
	if err := b.Publish(t.Context(), "echo", data); err == nil {
		t.Error("a message that is too large was published")
	}
}

// testBusStop: stop waits for a call in progress, and after it there is no other.
func testBusStop(t *testing.T, a, b engine.Bus) {
	began, goOn := make(chan bool, 100), make(chan bool)
	var running sync.Mutex
	stop := subscribe(t, a, b, "topic", func([]byte) []byte {
		running.Lock()
		defer running.Unlock()
		began <- true
		<-goOn
		return nil
	})
	var publishing sync.WaitGroup
	defer publishing.Wait()
	publishing.Go(func() {
		for range 10 {
			publish(t, b, "topic", "x")
		}
	})
	<-began
	go close(goOn)
	stop()
	if !running.TryLock() {
		t.Fatal("stop did not wait for a call in progress")
	}
	running.Unlock()
	calls := len(began)
	publishing.Wait()
	sync := make(chan string, 1)
	subscribe(t, a, b, "other", receive(sync))
	publish(t, b, "other", "x")
	<-sync
	if len(began) != calls {
		t.Error("there was a call after stop")
	}
}

// testBusEnded: a context that is done ends a call.
func testBusEnded(t *testing.T, a, _ engine.Bus) {
	ctx, cancel := context.WithCancelCause(t.Context())
	why := errors.New("why")
	cancel(why)
	if err := a.Publish(ctx, "topic", nil); !errors.Is(err, why) {
		t.Errorf("publish: %v", err)
	}
	if _, err := a.Request(ctx, "topic", nil); !errors.Is(err, why) {
		t.Errorf("request: %v", err)
	}
}
