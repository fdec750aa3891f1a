package js_test

import (
	"context"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/wirepost/wirepost/internal/browser"
)

// opened is a page of a site, whose scripts can connect to a server as user 42 with
// open42(persist, options): the client has its errors, and the promise of its end.
func opened(t *testing.T) (s *server, tab context.Context, at string) {
	t.Helper()
	tab = browser.Open(t)
	browser.Expect(tab, lost)
	at = site(t, "").URL
	s = serve(t, "dev", "--allow-origin", at)
	reopen(t, s, tab, at)
	return s, tab, at
}

// reopen loads the page of opened, again or in another tab.
func reopen(t *testing.T, s *server, tab context.Context, at string) {
	t.Helper()
	browser.Visit(t, tab, at)
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
}

// check compares what an expression is with what it should contain.
func check(t *testing.T, tab context.Context, what, expression, want string) {
	t.Helper()
	if got := browser.Value[string](t, tab, expression); !strings.Contains(got, want) {
		t.Errorf("%s: %s, want %s", what, got, want)
	}
}

// TestPersistFails has everything fail that can: each failure is told, and nothing is
// done by half.
func TestPersistFails(t *testing.T) {
	s, tab, _ := opened(t)
	check := func(what, expression, want string) {
		t.Helper()
		check(t, tab, what, expression, want)
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
