package js_test

import (
	"encoding/json"
	"fmt"
	"net/http"
	"strconv"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/wirepost/wirepost/internal/browser"
)

// stored returns the texts of a channel's messages, from the server.
func (s *server) stored(t *testing.T, channel string) (texts []string) {
	t.Helper()
	response, err := http.Get(s.url("/v1/channels/" + channel + "/messages?limit=1000"))
	if err != nil {
		t.Fatal(err)
	}
	defer response.Body.Close()
	var list struct {
		Messages []struct{ Data string }
	}
	if err := json.NewDecoder(response.Body).Decode(&list); err != nil {
		t.Fatal(err)
	}
	for _, m := range list.Messages {
		texts = append(texts, m.Data)
	}
	return texts
}

// TestPersistOutbox publishes while the server cannot be reached, and reloads the page: the
// messages are published in order and once. Before the connection there is what was kept.
func TestPersistOutbox(t *testing.T) {
	tab := browser.Open(t)
	browser.Expect(tab, lost)
	s, at := siteAndServer(t, counter, "")
	browser.Visit(t, tab, at)
	s.mustPush("user:42", "kept")
	browser.Wait(t, tab, `seen.includes("kept")`)
	appliedOnce(t, tab, []string{"kept"})
	s.stop()
	browser.Wait(t, tab, `client.state === "connecting"`)
	for i := range 10 {
		run(t, tab, fmt.Sprintf(`void client.publish("room:7", "p%d", { id: "i%d" }).catch(() => {})`, i, i))
	}
	browser.Wait(t, tab, `persisted.outbox().then((all) => all.length === 10)`)
	root, _, _ := strings.Cut(at, "?")
	browser.Visit(t, tab, root+"wirepost.js") // another page: this one is gone
	browser.Visit(t, tab, at)
	browser.Wait(t, tab, `seen.includes("kept") && client.state === "connecting"`)
	for i := range 10 {
		run(t, tab, fmt.Sprintf(`window.result%d = client.publish("room:7", "p%d", { id: "i%d" })`, i, 10+i, 10+i))
	}
	browser.Wait(t, tab, `persisted.outbox().then((all) => all.length === 20 && all[0].id === "i0" && all[0].data === "p0")`)
	s.start()
	browser.Wait(t, tab, `result9.then((r) => r.id === "i19" && r.seq === 20 && !r.duplicate)`)
	if diff := cmp.Diff(numbers("p", 20), s.stored(t, "room:7")); diff != "" {
		t.Errorf("published (-want +got):\n%s", diff)
	}
	browser.Wait(t, tab, `persisted.outbox().then((all) => all.length === 0)`)
	// What the server refuses is not kept, and the caller is told.
	code := browser.Value[string](t, tab, `client.publish("all", "x").catch((e) => e.code)`)
	if code != "forbidden" || !browser.Value[bool](t, tab, `persisted.outbox().then((all) => all.length === 0)`) {
		t.Errorf("a publish to all: %s", code)
	}
}

// TestPersistOutboxKilled reloads the page at random moments while it publishes.
func TestPersistOutboxKilled(t *testing.T) {
	const messages = 300
	tab := browser.Open(t)
	browser.Expect(tab, lost)
	s, at := siteAndServer(t, counter+`
		// The next number is in the same database as the outbox, so as to know after a kill
		// what was stored: the outbox has it, or the server.
		const channel = await client.history("room:7", { limit: 1 })
		const waiting = await persisted.outbox()
		const last = Math.max(-1, ...[...channel.messages, ...waiting].map((m) => Number(m.data.slice(1))))
		window.sent = last
		for (let i = last + 1; i < `+strconv.Itoa(messages)+`; i++) {
			if (Math.random() < at("kill")) location.reload()
			const published = client.publish("room:7", "p" + i)
			if (i % 3 === 0) await published
			window.sent = i
		}
		await client.publish("room:8", "done")
		window.done = true
	`, "")
	browser.Visit(t, tab, at+"&kill=0.1")
	browser.Wait(t, tab, "window.done")
	if diff := cmp.Diff(numbers("p", messages), s.stored(t, "room:7")); diff != "" {
		t.Errorf("published (-want +got):\n%s", diff)
	}
	t.Logf("%d messages published in %s loads of the page, each once and in order", messages, browser.Value[string](t, tab, "localStorage.loads"))
}

// TestPersistOutboxAdopts fails to take over what a page has left that is gone, for some time:
// it is published as soon as that works, without another connection.
func TestPersistOutboxAdopts(t *testing.T) {
	s, tab, at := opened(t)
	run(t, tab, `
		const gone = open42({}, { token: () => new Promise(() => {}) })
		void gone.publish("room:7", "left").catch(() => {})
		const persisted = await gone.persisted()
		window.waiting = () => persisted.outbox()
	`)
	browser.Wait(t, tab, `waiting().then((all) => all.length === 1)`)
	reopen(t, s, tab, at)
	run(t, tab, `
		window.full = true
		const put = IDBObjectStore.prototype.put
		IDBObjectStore.prototype.put = function (...args) {
			if (full && this.name === "wirepost.outbox") throw new DOMException("the disk is full", "QuotaExceededError")
			return put.apply(this, args)
		}
		window.next = open42({})
		window.opens = 0
		next.on("open", () => opens++)
	`)
	browser.Wait(t, tab, `next.state === "open" && next.errors.length >= 5`)
	check(t, tab, "the error", `next.errors[0]`, "internal outbox: the disk is full")
	check(t, tab, "an own message", `next.publish("room:7", "own").then((r) => String(r.seq))`, "1")
	run(t, tab, `window.full = false`)
	browser.Wait(t, tab, `next.persisted().then((p) => p.outbox()).then((all) => all.length === 0)`)
	if diff := cmp.Diff([]string{"own", "left"}, s.stored(t, "room:7")); diff != "" {
		t.Errorf("published (-want +got):\n%s", diff)
	}
	if n := browser.Value[int](t, tab, `opens`); n != 1 {
		t.Errorf("there were %d connections", n)
	}
}

// TestPersistOutboxSignal counts the listeners that publishes leave at a signal that lives
// longer.
func TestPersistOutboxSignal(t *testing.T) {
	_, tab, _ := opened(t)
	run(t, tab, `
		window.controller = new AbortController()
		window.listeners = 0
		const { signal } = controller
		const { addEventListener: add, removeEventListener: remove } = signal
		signal.addEventListener = (...args) => (listeners++, add.apply(signal, args))
		signal.removeEventListener = (...args) => (listeners--, remove.apply(signal, args))
		const client = (window.client = open42({}))
		await client.publish("room:7", 1, { signal })
		await client.publish("all", 1, { signal }).catch((e) => (window.code = e.code))
	`)
	check(t, tab, "a publish to all", `code`, "forbidden")
	if n := browser.Value[int](t, tab, `listeners`); n > 0 {
		t.Errorf("%d listeners are left at the signal", n)
	}
	run(t, tab, `
		window.waits = open42({ name: "waits" }, { token: () => new Promise(() => {}) })
		const persisted = (window.persisted = await waits.persisted())
		window.aborted = waits.publish("room:7", 1, { signal: controller.signal }).catch((e) => e.code + " " + e.message)
		window.other = waits.publish("room:7", 2, { signal: AbortSignal.any([controller.signal]) }).catch((e) => e.code)
	`)
	browser.Wait(t, tab, `persisted.outbox().then((all) => all.length === 2)`)
	run(t, tab, `controller.abort("enough")`)
	check(t, tab, "an aborted publish", `aborted`, "aborted enough")
	check(t, tab, "a publish of a signal that depends on it", `other`, "aborted")
	browser.Wait(t, tab, `persisted.outbox().then((all) => all.length === 0)`)
}
