package js_test

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/wirepost/wirepost/internal/browser"
	"github.com/wirepost/wirepost/js"
)

// site is a page with a script, beside the client's scripts: it can be loaded while the
// Wirepost server cannot be reached.
func site(t *testing.T, script string) *httptest.Server {
	t.Helper()
	scripts := js.Handler()
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path != "/" {
			scripts.ServeHTTP(w, r)
			return
		}
		w.Header().Set("Content-Type", "text/html; charset=utf-8")
		fmt.Fprintf(w, "<!doctype html><link rel=icon href=data:,><script type=module>%s</script>", script)
	}))
	t.Cleanup(s.Close)
	return s
}

// counter is a page that counts in IndexedDB how often each message was applied, in the
// transaction that applies it; and in a transaction of its own how often a handler got it.
const counter = `
	import { connect } from "/wirepost.js"
	const query = new URLSearchParams(location.search)
	const at = (name) => Number(query.get(name) ?? 0)
	const result = (r) => new Promise((done, failed) => { r.onsuccess = () => done(r.result); r.onerror = () => failed(r.error) })
	const add = async (store, key) => store.put({ key, n: ((await result(store.get(key)))?.n ?? 0) + 1 })
	window.began = performance.now()
	const client = connect("ws://" + query.get("server") + "/ws?user=" + (query.get("user") ?? "42"), {
		transports: ["websocket"],
		shared: query.has("shared"),
		backoff: { min: 50, max: 500 },
		persist: {
			version: 1,
			upgrade(db) {
				for (const name of ["applied", "handled"]) db.createObjectStore(name, { keyPath: "key" })
			},
			async apply(message, tx) {
				const die = Math.random() < at("die") // at any point between effect and acknowledgement
				if (die && Math.random() < 0.3) location.reload()
				await add(tx.objectStore("applied"), message.data)
				if (die) Math.random() < 0.5 ? location.reload() : setTimeout(() => location.reload(), Math.random() * 10)
			},
			reset: (tx) => tx.objectStore("applied").clear(),
		},
	})
	Object.assign(window, { client, seen: [], errors: [], result, ended: undefined })
	client.on("error", (e) => errors.push(e.code + " " + e.message))
	client.on("close", (e) => (window.ended = e?.code + " " + e?.message))
	client.on("reset", () => (seen.length = 0))
	localStorage.loads = Number(localStorage.loads ?? 0) + 1
	const persisted = await client.persisted()
	window.counts = async (store) => {
		const all = await result(persisted.database.transaction(store).objectStore(store).getAll())
		return Object.fromEntries(all.map(({ key, n }) => [key, n]))
	}
	if (query.has("handle")) client.on("message", async (m) => {
		await add(persisted.database.transaction("handled", "readwrite").objectStore("handled"), m.data)
	})
	if (query.has("hold")) client.on("message", () => new Promise(() => {}))
	if (query.has("room")) await client.subscribe("room:7", () => {})
	persisted.inbox((m) => {
		window.shown ??= performance.now()
		seen.push(m.data)
	}, { limit: 2000 })
	window.persisted = persisted
`

// siteAndServer starts a site, and a server that accepts its page. At is the page with a
// query that names the server.
func siteAndServer(t *testing.T, script, query string) (s *server, at string) {
	t.Helper()
	page := site(t, script)
	s = serve(t, "dev", "--allow-origin", page.URL)
	return s, page.URL + "/?" + query + "&server=" + s.gate.address()
}

// numbers returns n texts with a prefix.
func numbers(prefix string, n int) (list []string) {
	for i := range n {
		list = append(list, prefix+strconv.Itoa(i))
	}
	return list
}

// appliedOnce waits until each message was applied, and checks that none was twice.
func appliedOnce(t *testing.T, tab context.Context, want []string) {
	t.Helper()
	browser.Wait(t, tab, fmt.Sprintf(`counts("applied").then((all) => Object.keys(all).length >= %d)`, len(want)))
	got := browser.Value[map[string]int](t, tab, `counts("applied")`)
	for _, text := range want {
		if got[text] != 1 {
			t.Errorf("%s was applied %d times", text, got[text])
		}
	}
	if len(got) != len(want) {
		t.Errorf("%d messages were applied, want %d", len(got), len(want))
	}
}

// TestPersistKilled reloads the page at random moments, most of them in the middle of
// applying a message: each message is applied exactly once. Handlers with a
// transaction of their own get some of them more than once.
func TestPersistKilled(t *testing.T) {
	const messages = 400
	tab := browser.Open(t)
	browser.Expect(tab, lost)
	s, at := siteAndServer(t, counter, "handle")
	want := numbers("m", messages)
	browser.Visit(t, tab, at+"&die=0.15")
	var pushing sync.WaitGroup
	pushing.Go(func() { s.mustPush("user:42", want...) })
	pushing.Wait()
	browser.Wait(t, tab, fmt.Sprintf(`counts("applied").then((all) => Object.keys(all).length >= %d)`, messages))
	browser.Visit(t, tab, at)
	appliedOnce(t, tab, want)
	browser.Wait(t, tab, fmt.Sprintf("seen.length >= %d", messages))
	if diff := cmp.Diff(want, browser.Value[[]string](t, tab, "seen")); diff != "" {
		t.Errorf("the inbox (-want +got):\n%s", diff)
	}
	loads := browser.Value[string](t, tab, "localStorage.loads")
	handled := 0
	for _, n := range browser.Value[map[string]int](t, tab, `counts("handled")`) {
		if n > 1 {
			handled++
		}
	}
	t.Logf("%d messages in %s loads of the page: each applied once; handlers got %d of them more than once", messages, loads, handled)
	if loads == "2" {
		t.Error("the page was never killed")
	}
	s.stop()
	browser.Visit(t, tab, at)
	browser.Wait(t, tab, fmt.Sprintf("seen.length >= %d", messages))
	times := browser.Value[[]float64](t, tab, "[began, shown, performance.now()]")
	t.Logf("offline: the first of %d messages was shown %.0f ms after the script began, and %.0f ms after the navigation", messages, times[1]-times[0], times[1])
}

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

// TestPersistTabs applies messages in several tabs, with a connection for each and with one
// for all: each message is applied by one of them, and all of them show it.
func TestPersistTabs(t *testing.T) {
	for _, mode := range []string{"own", "shared"} {
		t.Run(mode, func(t *testing.T) {
			first := browser.Open(t)
			s, at := siteAndServer(t, counter, mode)
			s.mustPush("user:42", numbers("a", 50)...)
			tabs := []context.Context{first, browser.OpenBeside(t, first), browser.OpenBeside(t, first)}
			for _, tab := range tabs {
				browser.Expect(tab, lost)
				browser.Visit(t, tab, at)
			}
			var pushing sync.WaitGroup
			half := make(chan struct{})
			pushing.Go(func() {
				s.mustPush("user:42", numbers("b", 50)...)
				close(half)
				s.mustPush("user:42", numbers("c", 50)...)
			})
			<-half
			closeTab(t, tabs[0])
			pushing.Wait()
			want := append(append(numbers("a", 50), numbers("b", 50)...), numbers("c", 50)...)
			appliedOnce(t, tabs[1], want)
			for _, tab := range tabs[1:] {
				browser.Wait(t, tab, fmt.Sprintf("seen.length >= %d", len(want)))
				if diff := cmp.Diff(want, browser.Value[[]string](t, tab, "seen")); diff != "" {
					t.Errorf("the inbox (-want +got):\n%s", diff)
				}
			}
		})
	}
}

// TestPersistLateTab opens a tab while another one, on the same connection, has messages
// that it does not get done with: what the second one gets is later, and it goes back.
func TestPersistLateTab(t *testing.T) {
	first := browser.Open(t)
	browser.Expect(first, lost)
	s, at := siteAndServer(t, counter, "shared&room")
	browser.Visit(t, first, at+"&hold")
	browser.Wait(t, first, `client.state === "open" && window.persisted`)
	s.mustPush("user:42", "u1", "u2", "u3")
	s.mustPush("room:7", "r1", "r2")
	browser.Wait(t, first, `client.unread() === 3`)
	second := browser.OpenBeside(t, first)
	browser.Expect(second, lost)
	browser.Visit(t, second, at)
	browser.Wait(t, second, `client.state === "open" && window.persisted`)
	s.mustPush("user:42", "u4")
	s.mustPush("room:7", "r3")
	appliedOnce(t, second, []string{"u1", "u2", "u3", "u4", "r1", "r2", "r3"})
	browser.Wait(t, second, `seen.join() === "u1,u2,u3,u4"`)
	if unread := browser.Value[int](t, second, "client.unread()"); unread != 4 {
		t.Errorf("%d are unread, want 4", unread)
	}
}

// TestPersistFails has everything fail that can: each failure is told, and nothing is
// done by half.
func TestPersistFails(t *testing.T) {
	tab := browser.Open(t)
	browser.Expect(tab, lost)
	page := site(t, "")
	s := serve(t, "dev", "--allow-origin", page.URL)
	browser.Visit(t, tab, page.URL)
	run(t, tab, `
		const { connect } = await import("/wirepost.js")
		window.open42 = (persist, options = {}) => {
			const client = connect("ws://`+s.gate.address()+`/ws?user=42", { persist, transports: ["websocket"], backoff: { min: 20, max: 100 }, ...options })
			const errors = []
			client.on("error", (e) => errors.push(e.code + " " + e.message))
			const ended = new Promise((done) => client.on("close", (e) => done(e ? e.code + " " + e.message : "closed")))
			return Object.assign(client, { errors, ended })
		}
		window.result = (r) => new Promise((done, failed) => { r.onsuccess = () => done(r.result); r.onerror = () => failed(r.error) })
	`)
	check := func(what, expression, want string) {
		t.Helper()
		if got := browser.Value[string](t, tab, expression); !strings.Contains(got, want) {
			t.Errorf("%s: %s, want %s", what, got, want)
		}
	}
	check("a bad option", `open42({ maxOutbox: -1 }).ended`, "bad_request bad persist.maxOutbox")
	check("no user", `open42({}, { token: () => "x" }) && open42({ user: "" }).ended`, "bad_request persist.user is missing")
	check("without the option", `open42(undefined).persisted().catch((e) => e.code)`, "unsupported")

	// An outbox that is full, while the client is refused a connection by the gate.
	run(t, tab, `
		window.full = open42({ name: "full", maxOutbox: 2 }, { token: () => new Promise(() => {}) })
		void full.publish("room:7", 1).catch(() => {})
		void full.publish("room:7", 2).catch(() => {})
	`)
	check("a full outbox", `full.publish("room:7", 3).catch((e) => e.code + " " + e.message)`, "unavailable the outbox does not take it: 2 messages wait")
	check("an aborted publish", `full.publish("room:7", 3, { signal: AbortSignal.abort("why") }).catch((e) => e.code + " " + e.message)`, "unavailable")
	run(t, tab, `full.close()`)
	check("a publish after close", `full.publish("room:7", 4).catch((e) => e.code)`, "closed")

	// Effects that fail: by an exception after a write, by a write that the database refuses,
	// and by waiting for something else than the database.
	run(t, tab, `
		window.attempts = []
		window.failing = open42({
			name: "failing",
			upgrade(db) { db.createObjectStore("log", { autoIncrement: true }); db.createObjectStore("once", { keyPath: "id" }).put({ id: 1 }) },
			async apply(message, tx) {
				attempts.push(message.data)
				tx.objectStore("log").add(message.data)
				const n = attempts.filter((data) => data === message.data).length
				if (message.data === "throws" && n < 3) throw new Error("not yet")
				if (message.data === "refused" && n < 2) tx.objectStore("once").add({ id: 1 })
				if (message.data === "waits" && n < 2) {
					await new Promise((done) => setTimeout(done, 100))
					tx.objectStore("log").add("half")
				}
			},
		})
		window.log = async () => result((await failing.persisted()).database.transaction("log").objectStore("log").getAll())
	`)
	s.mustPush("user:42", "throws", "refused", "waits", "last")
	browser.Wait(t, tab, `log().then((all) => all.includes("last"))`)
	if diff := cmp.Diff([]string{"throws", "refused", "waits", "last"}, browser.Value[[]string](t, tab, "log()")); diff != "" {
		t.Errorf("effects (-want +got):\n%s", diff)
	}
	check("errors", `failing.errors.join("; ")`, "internal apply user:42 1: not yet; internal apply user:42 1: not yet; internal apply user:42 2:")
	check("errors", `failing.errors.join("; ")`, "internal apply user:42 3:")

	// A new version of the page: the old one's client ends, and says why.
	run(t, tab, `window.newer = open42({ name: "failing", version: 2 })`)
	check("the older page", `failing.ended`, "unavailable the database was closed")
	browser.Wait(t, tab, `newer.state === "open"`)
	check("an older page", `open42({ name: "failing", version: 1 }).ended`, "unsupported persist: IndexedDB")
	run(t, tab, `Object.defineProperty(window, "indexedDB", { value: undefined })`)
	check("no IndexedDB", `open42({}).ended`, "unsupported persist: there is no IndexedDB")
}

// TestPersistStore replaces the server's store: what was kept of the old one is gone, and
// the new one's messages are applied.
func TestPersistStore(t *testing.T) {
	tab := browser.Open(t)
	browser.Expect(tab, lost)
	s, at := siteAndServer(t, counter, "")
	browser.Visit(t, tab, at)
	s.mustPush("user:42", "old0", "old1", "old2")
	appliedOnce(t, tab, []string{"old0", "old1", "old2"})
	s.kill()
	s.args = append(s.args, "--data", filepath.Join(t.TempDir(), "other"))
	s.start()
	s.mustPush("user:42", "new0", "new1")
	browser.Wait(t, tab, `seen.join() === "new0,new1"`)
	appliedOnce(t, tab, []string{"new0", "new1"})
	browser.Visit(t, tab, at)
	browser.Wait(t, tab, `seen.join() === "new0,new1"`)
}

// TestPersistUser changes the user in one browser: nobody sees or sends what is another's.
func TestPersistUser(t *testing.T) {
	tab := browser.Open(t)
	browser.Expect(tab, lost)
	s, at := siteAndServer(t, counter, "")
	browser.Visit(t, tab, at)
	s.mustPush("user:42", "for 42")
	appliedOnce(t, tab, []string{"for 42"})
	s.stop()
	browser.Wait(t, tab, `client.state === "connecting"`)
	run(t, tab, `void client.publish("room:7", "by 42").catch(() => {})`)
	browser.Wait(t, tab, `persisted.outbox().then((all) => all.length === 1)`)
	browser.Visit(t, tab, at+"&user=43")
	browser.Wait(t, tab, `persisted.outbox().then((all) => all.length === 0)`)
	s.start()
	s.mustPush("user:43", "for 43")
	appliedOnce(t, tab, []string{"for 43"})
	if got := browser.Value[string](t, tab, "seen.join()"); got != "for 43" {
		t.Errorf("user 43 sees %s", got)
	}
	if got := s.stored(t, "room:7"); len(got) != 0 {
		t.Errorf("user 43 published %q", got)
	}
	run(t, tab, `await persisted.remove()`)
	names := browser.Value[[]string](t, tab, `indexedDB.databases().then((all) => all.map(({ name }) => name))`)
	if diff := cmp.Diff([]string{"wirepost:42"}, names); diff != "" {
		t.Errorf("databases after the logout (-want +got):\n%s", diff)
	}
	// A token of another user than the page says ends the client.
	run(t, tab, `
		const { connect } = await import("/wirepost.js")
		const other = connect("ws://`+s.gate.address()+`/ws?user=43", { persist: { user: "42" } })
		other.on("message", () => {})
		window.code = await other.ready().catch((e) => e.code)
	`)
	if code := browser.Value[string](t, tab, "code"); code != "forbidden" {
		t.Errorf("the client of another user: %s", code)
	}
	browser.Visit(t, tab, at)
	browser.Wait(t, tab, `seen.join() === "for 42" && persisted.outbox().then((all) => all.length === 0)`)
	if diff := cmp.Diff([]string{"by 42"}, s.stored(t, "room:7")); diff != "" {
		t.Errorf("published (-want +got):\n%s", diff)
	}
}
