package js_test

import (
	"context"
	"strconv"
	"sync"
	"testing"

	"github.com/chromedp/cdproto/cdp"
	"github.com/chromedp/cdproto/emulation"
	"github.com/chromedp/cdproto/page"
	"github.com/chromedp/chromedp"
	"github.com/google/go-cmp/cmp"

	"github.com/wirepost/wirepost/internal/browser"
)

// oneConnection is an expression that is true when user 42 has one connection.
const oneConnection = `fetch("/v1/users/42").then((r) => r.json()).then((u) => u.online === 1)`

// openTabs opens three tabs of user 42 that share a connection. The first one is the
// leader, and the others are next in order.
func openTabs(t *testing.T, s *server) []context.Context {
	t.Helper()
	first := browser.Open(t)
	tabs := []context.Context{first, browser.OpenBeside(t, first), browser.OpenBeside(t, first)}
	for _, tab := range tabs {
		start(t, tab, s, `"/ws?user=42", { shared: true }`)
		browser.Wait(t, tab, `client.state === "open"`)
	}
	browser.Wait(t, first, oneConnection)
	return tabs
}

// TestTabs closes the leading tab.
func TestTabs(t *testing.T) {
	s := serve(t, "dev")
	tabs := openTabs(t, s)
	run(t, tabs[2], `await client.subscribe("room:7", (m) => seen.push("room " + m.data))`)
	s.mustPush("user:42", "1")
	s.mustPush("room:7", "2")
	saw(t, tabs[0], "1")
	saw(t, tabs[1], "1")
	saw(t, tabs[2], "1", "room 2", "2")
	acknowledged(t, tabs[1], 1)

	var want []string
	var pushing sync.WaitGroup
	half := make(chan struct{})
	pushing.Go(func() {
		for i := range 200 {
			if i == 100 {
				close(half)
			}
			if !s.push("user:42", "n"+strconv.Itoa(i)) {
				t.Errorf("push %d failed", i)
			}
		}
	})
	<-half
	closeTab(t, tabs[0])
	pushing.Wait()
	s.mustPush("room:7", "3")
	for i := range 200 {
		want = append(want, "n"+strconv.Itoa(i))
	}
	for _, tab := range tabs[1:] {
		browser.Wait(t, tab, `seen.includes("n199")`)
		got := browser.Value[[]string](t, tab, `seen.filter((text) => text.startsWith("n"))`)
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("seen (-want +got):\n%s", diff)
		}
	}
	browser.Wait(t, tabs[2], `seen.includes("room 3")`)
	browser.Wait(t, tabs[1], oneConnection)
	acknowledged(t, tabs[1], 201)
	published := browser.Value[int](t, tabs[2], `client.publish("room:7", "4").then((p) => p.seq)`)
	if published != 3 {
		t.Errorf("published as %d", published)
	}
}

func closeTab(t *testing.T, tab context.Context) {
	t.Helper()
	browser.Run(t, tab, func(ctx context.Context, target *chromedp.Target) (none chromedp.Void, err error) {
		_, err = cdp.Call(ctx, target, page.Close, cdp.Empty{})
		return none, err
	})
}

// lifecycle makes the browser freeze a tab, as it does to save energy, or thaw it. A tab
// emulated as focused is not frozen.
func lifecycle(t *testing.T, tab context.Context, state page.SetWebLifecycleStateState) {
	t.Helper()
	browser.Run(t, tab, func(ctx context.Context, target *chromedp.Target) (none chromedp.Void, err error) {
		if _, err = cdp.Call(ctx, target, emulation.SetFocusEmulationEnabled, emulation.SetFocusEmulationEnabledParams{Enabled: state == active}); err != nil {
			return none, err
		}
		_, err = cdp.Call(ctx, target, page.SetWebLifecycleState, page.SetWebLifecycleStateParams{State: state})
		return none, err
	})
}

const (
	frozen = page.SetWebLifecycleStateStateFrozen
	active = page.SetWebLifecycleStateStateActive
)

// TestFrozenLeader freezes the leading tab: although it keeps its lock and its connection,
// another tab takes the lead, and the first one follows when it is thawed.
func TestFrozenLeader(t *testing.T) {
	s := serve(t, "dev")
	tabs := openTabs(t, s)
	run(t, tabs[0], `window.room = []; await client.subscribe("room:7", (m) => room.push(m.data))`)
	s.mustPush("room:7", "a")
	browser.Wait(t, tabs[0], `room.length === 1`)
	s.mustPush("user:42", "1")
	saw(t, tabs[0], "a", "1")
	saw(t, tabs[1], "1")
	saw(t, tabs[2], "1")
	acknowledged(t, tabs[0], 1)

	lifecycle(t, tabs[0], frozen)
	s.mustPush("user:42", "2", "3")
	s.mustPush("room:7", "b")
	saw(t, tabs[1], "1", "2", "3")
	saw(t, tabs[2], "1", "2", "3")
	for _, tab := range tabs[1:] {
		browser.Wait(t, tab, `client.state === "open" && events.includes("disconnect")`)
	}
	acknowledged(t, tabs[1], 3)
	if seq := browser.Value[int](t, tabs[2], `client.publish("room:7", "c").then((p) => p.seq)`); seq != 3 {
		t.Errorf("published as %d", seq)
	}
	s.mustPush("user:42", "4")
	saw(t, tabs[1], "1", "2", "3", "4")

	lifecycle(t, tabs[0], active)
	browser.Wait(t, tabs[0], `client.state === "open" && events.includes("disconnect")`)
	browser.Wait(t, tabs[0], `seen.includes("4") && room.length >= 3`)
	browser.Wait(t, tabs[1], oneConnection)
	s.mustPush("room:7", "d")
	browser.Wait(t, tabs[0], `room.length >= 4`)
	s.mustPush("user:42", "5")
	browser.Wait(t, tabs[0], `seen.includes("5")`)
	if diff := cmp.Diff([]string{"a", "b", "c", "d"}, browser.Value[[]string](t, tabs[0], `room`)); diff != "" {
		t.Errorf("the thawed tab's room (-want +got):\n%s", diff)
	}
	if diff := cmp.Diff([]string{"1", "2", "3", "4", "5"}, browser.Value[[]string](t, tabs[0], `seen.filter(Number)`)); diff != "" {
		t.Errorf("the thawed tab's inbox (-want +got):\n%s", diff)
	}
	saw(t, tabs[1], "1", "2", "3", "4", "5")
	saw(t, tabs[2], "1", "2", "3", "4", "5")
	acknowledged(t, tabs[1], 5)
}

// TestFrozenFollower freezes the tab that is next to lead, and closes the leader: the third
// tab leads, and nothing waits for the frozen one.
func TestFrozenFollower(t *testing.T) {
	s := serve(t, "dev")
	tabs := openTabs(t, s)
	s.mustPush("user:42", "1")
	for _, tab := range tabs {
		saw(t, tab, "1")
	}
	acknowledged(t, tabs[0], 1)

	lifecycle(t, tabs[1], frozen)
	s.mustPush("user:42", "2")
	saw(t, tabs[0], "1", "2")
	saw(t, tabs[2], "1", "2")
	acknowledged(t, tabs[0], 2)
	closeTab(t, tabs[0])
	s.mustPush("user:42", "3")
	saw(t, tabs[2], "1", "2", "3")
	acknowledged(t, tabs[2], 3)
	s.mustPush("user:42", "4")

	// While it is thawed it gets messages all the time.
	want := []string{"1", "2", "3", "4"}
	for i := range 200 {
		want = append(want, "n"+strconv.Itoa(i))
	}
	var pushing sync.WaitGroup
	pushing.Go(func() {
		for _, text := range want[4:] {
			if !s.push("user:42", text) {
				t.Errorf("push %s failed", text)
			}
		}
	})
	lifecycle(t, tabs[1], active)
	pushing.Wait()
	saw(t, tabs[1], want...)
	saw(t, tabs[2], want...)
	browser.Wait(t, tabs[1], `client.state === "open"`)
	browser.Wait(t, tabs[2], oneConnection)
	acknowledged(t, tabs[2], len(want))
}
