package js_test

import (
	"context"
	"encoding/base64"
	"fmt"
	"math/rand/v2"
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
	check("an aborted publish", `full.publish("room:7", 3, { signal: AbortSignal.abort("why") }).catch((e) => e.code + " " + e.message)`, "aborted why")
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

// incompressible returns text that a database cannot make much shorter.
func incompressible(size int) string {
	random := make([]byte, size)
	for i := range random {
		random[i] = byte(rand.Uint32())
	}
	return base64.StdEncoding.EncodeToString(random)[:size]
}

// openFull opens a client, and notes what is applied and shown.
const openFull = `
	window.applied = []
	window.seen = []
	const client = (window.client = open42({ apply: (message, tx) => void tx.addEventListener("complete", () => applied.push(message.data)) }))
	client.persisted().then((persisted) => persisted.inbox((message) => void seen.push(message.data)))
`

// TestPersistFull fills what the browser allows the page: what is kept is shown, also by a page
// that is opened then; messages wait on the server, and publishes are refused, until there is
// space.
func TestPersistFull(t *testing.T) {
	const space, messages, size = 500_000, 40, 20_000
	s, tab, at := opened(t)
	browser.Quota(t, tab, at, space) // before the page has a database: Chromium remembers what is free
	run(t, tab, openFull)
	var all []string
	for range messages {
		all = append(all, incompressible(size))
	}
	s.mustPush("user:42", all...)
	// The errors are about the message after those that are shown.
	const full = `client.errors.length >= 2 && client.errors.at(-1) === "internal apply user:42 " + (seen.length + 1) + ": QuotaExceededError"`
	browser.Wait(t, tab, full)
	kept := browser.Value[int](t, tab, `applied.length`)
	if kept == 0 || kept >= messages {
		t.Errorf("%d messages are kept", kept)
	}
	const publish = `client.publish("room:7", "%s").then((r) => String(r.seq), (e) => e.code + " " + e.message)`
	large := incompressible(3 * size)
	check(t, tab, "a publish", fmt.Sprintf(publish, large), "unavailable the outbox does not take it: QuotaExceededError")

	reopen(t, s, tab, at)
	run(t, tab, openFull)
	browser.Wait(t, tab, full)
	if n := browser.Value[int](t, tab, `seen.length - applied.length`); n < kept {
		t.Errorf("%d messages are kept in the next page, and %d were", n, kept)
	}
	browser.Quota(t, tab, at, 0)
	browser.Wait(t, tab, fmt.Sprintf(`seen.length === %d`, messages))
	if diff := cmp.Diff(all, browser.Value[[]string](t, tab, `seen`)); diff != "" {
		t.Errorf("shown (-want +got):\n%s", diff)
	}
	check(t, tab, "a publish", fmt.Sprintf(publish, large), "1")

	// A database that cannot be read ends the client, and what it has of it is given back.
	run(t, tab, `
		client.close()
		const { getAll } = IDBObjectStore.prototype
		IDBObjectStore.prototype.getAll = () => { throw new DOMException("it is broken", "UnknownError") }
		window.broken = open42({ name: "broken" })
	`)
	check(t, tab, "a broken database", `broken.ended`, "unsupported persist: IndexedDB: it is broken")
	browser.Wait(t, tab, noLocks)
}

// noLocks is an expression that is true when no client shows that it has an outbox.
const noLocks = `navigator.locks.query().then(({ held }) => held.every(({ name }) => !name.startsWith("wirepost outbox:")))`

// TestPersistBlocked has another tab keep the database, as one with an older version of the
// page that is frozen: the client says so and waits, and nothing that is asked of it hangs.
func TestPersistBlocked(t *testing.T) {
	s, older, at := opened(t)
	run(t, older, `
		const first = open42({ version: 1 })
		await first.persisted()
		first.close()
		window.keep = async () => (window.kept = await result(indexedDB.open("wirepost:42")))
		await keep()
	`)
	newer := browser.OpenBeside(t, older)
	browser.Expect(newer, lost)
	reopen(t, s, newer, at)
	const upgrade = `{ version: 2, upgrade: (db) => void db.createObjectStore("new") }`
	run(t, newer, `window.closed42 = open42(`+upgrade+`)`)
	browser.Wait(t, newer, `closed42.errors.some((e) => e.startsWith("unavailable another tab keeps the database"))`)
	run(t, newer, `
		window.client = open42(`+upgrade+`) // its request waits for the one before
		const controller = new AbortController()
		window.aborted = client.publish("room:7", 1, { signal: controller.signal }).catch((e) => e.code + " " + e.message)
		window.published = client.publish("room:7", 2)
		window.refused = closed42.publish("room:7", 3).catch((e) => e.code)
		window.persisted42 = closed42.persisted().catch((e) => e.code)
		controller.abort("enough")
		closed42.close()
	`)
	check(t, newer, "the state", `client.state`, "connecting")
	check(t, newer, "an aborted publish", `aborted`, "aborted enough")
	check(t, newer, "a publish of a client that is closed", `refused`, "closed")
	check(t, newer, "what a client keeps that is closed", `persisted42`, "closed")

	run(t, older, `kept.close()`)
	check(t, newer, "a publish that waits", `published.then((r) => String(r.seq))`, "1")
	check(t, newer, "the object stores", `client.persisted().then((p) => [...p.database.objectStoreNames].join())`, "new,wirepost.")
	// The one that was closed has given back what it was given later.
	browser.Wait(t, newer, `navigator.locks.query().then(({ held, pending }) => held.filter(({ name }) => name.startsWith("wirepost outbox:")).length === 1 && pending.length === 0)`)

	run(t, older, `await keep()`)
	check(t, newer, "to remove it", `client.persisted().then((p) => p.remove()).catch((e) => e.code + " " + e.message)`, "unavailable another tab keeps the database")
	run(t, older, `kept.close()`)
	browser.Wait(t, newer, `indexedDB.databases().then((all) => all.length === 0)`)
	browser.Wait(t, newer, noLocks)
}
