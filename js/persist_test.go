package js_test

import (
	"context"
	"fmt"
	"net/http"
	"net/http/httptest"
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
	persisted.inbox((m) => seen.push(m.data), { limit: 2000 })
	window.persisted = persisted
`

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
	const messages = 600
	tab := browser.Open(t)
	browser.Expect(tab, lost)
	page := site(t, counter)
	s := serve(t, "dev", "--allow-origin", page.URL)
	at := page.URL + "/?handle&server=" + s.gate.address()
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
}
