package js_test

import (
	"context"
	"fmt"
	"net/http"
	"net/http/httptest"
	"path/filepath"
	"strconv"
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
	if (query.has("late")) { // its positions are stored only when late is false
		window.late = true
		const { getKey } = IDBObjectStore.prototype
		IDBObjectStore.prototype.getKey = function (...key) {
			if (window.late) throw new Error("later")
			return getKey.apply(this, key)
		}
	}
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

// TestPersistBegin opens a tab beside one that is connected and has not stored yet where its
// channels begin: they begin there, and not where they are when the second one joins.
func TestPersistBegin(t *testing.T) {
	first := browser.Open(t)
	browser.Expect(first, lost)
	s, at := siteAndServer(t, counter, "shared")
	want := []string{"a0", "a1"}
	s.mustPush("user:42", want...)
	browser.Visit(t, first, at+"&late")
	browser.Wait(t, first, `client.state === "open" && client.unread() === 2`)
	second := browser.OpenBeside(t, first)
	browser.Expect(second, lost)
	browser.Visit(t, second, at)
	browser.Wait(t, second, `client.state === "open" && window.persisted`)
	const begun = `result(persisted.database.transaction("wirepost.cursors").objectStore("wirepost.cursors").getKey("user:42"))`
	browser.Wait(t, second, begun)
	run(t, first, "window.late = false")
	appliedOnce(t, second, want)
	for _, tab := range []context.Context{first, second} {
		browser.Wait(t, tab, `seen.join() === "a0,a1"`)
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
