package js_test

import (
	"context"
	"fmt"
	"io"
	"log"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/chromedp/cdproto/cdp"
	"github.com/chromedp/cdproto/network"
	"github.com/chromedp/chromedp"
	"github.com/google/go-cmp/cmp"

	"github.com/wirepost/wirepost"
	"github.com/wirepost/wirepost/auth"
	"github.com/wirepost/wirepost/internal/browser"
)

// lost matches what the browser itself logs about connections that break or fail, and
// about HTTP requests while the server is down.
const lost = `WebSocket connection to|Failed to load resource|net::ERR_`

// TestPlainPage runs examples/plain.html, which uses only WebSocket, during a kill -9 of
// the server: it receives every message whose push succeeded. When the server disconnects the
// user, the page stays away.
func TestPlainPage(t *testing.T) {
	tab := browser.Open(t)
	browser.Expect(tab, lost)
	examples := httptest.NewServer(http.FileServer(http.Dir("../examples")))
	t.Cleanup(examples.Close)
	s := serve(t, "dev", "--allow-origin", examples.URL)
	browser.Visit(t, tab, examples.URL+"/plain.html?server="+s.gate.address())
	browser.Wait(t, tab, `state.textContent === "connected"`)

	var mu sync.Mutex
	var answered []string
	half := make(chan struct{})
	var pushing sync.WaitGroup
	pushing.Go(func() {
		for i := range 400 {
			text := strconv.Itoa(i)
			if i == 200 {
				close(half)
			}
			if s.push("user:42", text) {
				mu.Lock()
				answered = append(answered, text)
				mu.Unlock()
			}
		}
	})
	<-half
	s.kill()
	pushing.Wait()
	s.start()
	s.mustPush("user:42", "400", "401")
	answered = append(answered, "400", "401")
	browser.Wait(t, tab, `messages.lastChild?.textContent === "401"`)
	got := browser.Value[[]string](t, tab, `[...messages.children].map((li) => li.textContent)`)
	for _, text := range answered {
		if !slices.Contains(got, text) {
			t.Errorf("the push of %s succeeded, but the message did not arrive", text)
		}
	}
	t.Logf("%d pushes succeeded, %d messages on the page", len(answered), len(got))

	if !s.request("DELETE", "/v1/users/42/sessions", "", "") {
		t.Fatal("the request to disconnect the user failed")
	}
	browser.Wait(t, tab, `state.textContent === "disconnected"`)
}

// start makes a tab's page connect and collect messages and events.
func start(t *testing.T, tab context.Context, s *server, arguments string) {
	t.Helper()
	browser.Expect(tab, lost)
	browser.Visit(t, tab, s.url("/healthz")) // an empty page of that origin
	run(t, tab, `
		const wirepost = await import("/wirepost.js")
		const client = wirepost.connect(`+arguments+`)
		Object.assign(window, { wirepost, client, seen: [], events: [] })
		client.on("message", (m) => seen.push(m.data))
		for (const name of ["open", "disconnect", "transport", "error", "close"]) client.on(name, (e) => events.push(name))
	`)
}

// run runs statements in the page; they may use await.
func run(t *testing.T, tab context.Context, statements string) {
	t.Helper()
	browser.Value[bool](t, tab, "(async () => {"+statements+"; return true })()")
}

// saw waits until the page has received exactly these messages.
func saw(t *testing.T, tab context.Context, texts ...string) {
	t.Helper()
	browser.Wait(t, tab, fmt.Sprintf("seen.length >= %d", len(texts)))
	if diff := cmp.Diff(texts, browser.Value[[]string](t, tab, "seen")); diff != "" {
		t.Errorf("seen (-want +got):\n%s", diff)
	}
}

// acknowledged waits until some device has acknowledged everything.
func acknowledged(t *testing.T, tab context.Context, seq int) {
	t.Helper()
	browser.Wait(t, tab, fmt.Sprintf(`fetch("/v1/users/42").then((r) => r.json()).then((u) => Object.values(u.channels["user:42"].devices).includes(%d))`, seq))
}

func TestRestart(t *testing.T) {
	tab := browser.Open(t)
	s := serve(t, "dev")
	start(t, tab, s, `"/ws?user=42"`)
	browser.Wait(t, tab, `client.state === "open"`)
	run(t, tab, `await client.subscribe("room:7", (m) => seen.push("room " + m.data))`)
	s.mustPush("user:42", "1", "2")
	s.mustPush("room:7", "3")
	saw(t, tab, "1", "2", "room 3", "3")
	s.stop()
	browser.Wait(t, tab, `client.state === "connecting"`)
	run(t, tab, `window.sent = client.publish("room:7", "sent while away")`)
	s.start()
	s.mustPush("user:42", "4")
	browser.Wait(t, tab, `sent.then((p) => p.seq === 2 && !p.duplicate)`)
	browser.Wait(t, tab, `seen.includes("4") && seen.includes("room sent while away")`)
	if got := browser.Value[[]string](t, tab, "seen"); len(got) != 7 {
		t.Errorf("seen: %q", got)
	}
}

func TestReload(t *testing.T) {
	tab := browser.Open(t)
	s := serve(t, "dev")
	start(t, tab, s, `"/ws?user=42"`)
	run(t, tab, `client.subscribe("room:7", (m) => seen.push("room " + m.data))`)
	browser.Wait(t, tab, `client.state === "open"`)
	device := browser.Value[string](t, tab, "client.device")
	s.mustPush("user:42", "1", "2")
	s.mustPush("room:7", "3")
	saw(t, tab, "1", "2", "room 3", "3")
	acknowledged(t, tab, 2)
	browser.Visit(t, tab, s.url("/readyz")) // another page
	s.mustPush("user:42", "4")
	s.mustPush("room:7", "5")
	start(t, tab, s, `"/ws?user=42"`)
	run(t, tab, `client.subscribe("room:7", (m) => seen.push("room " + m.data))`)
	browser.Wait(t, tab, `seen.length >= 3`)
	got := browser.Value[[]string](t, tab, "seen")
	slices.Sort(got)
	if diff := cmp.Diff([]string{"4", "5", "room 5"}, got); diff != "" {
		t.Errorf("seen (-want +got):\n%s", diff)
	}
	if again := browser.Value[string](t, tab, "client.device"); again != device {
		t.Errorf("device %q, before the reload %q", again, device)
	}
}

// TestOffline disables the network under a connection, which stays open but dead.
func TestOffline(t *testing.T) {
	tab := browser.Open(t)
	s := serve(t, "dev", "--heartbeat", "1s")
	start(t, tab, s, `"/ws?user=42"`)
	s.mustPush("user:42", "1")
	saw(t, tab, "1")
	offline(t, tab, true)
	s.gate.freeze()
	s.mustPush("user:42", "2")
	browser.Wait(t, tab, `client.state === "connecting"`)
	s.mustPush("user:42", "3")
	offline(t, tab, false)
	s.mustPush("user:42", "4")
	saw(t, tab, "1", "2", "3", "4")
	if name := browser.Value[string](t, tab, "client.transport"); name != "websocket" {
		t.Errorf("it is on %s", name)
	}
}

func offline(t *testing.T, tab context.Context, off bool) {
	t.Helper()
	browser.Run(t, tab, func(ctx context.Context, target *chromedp.Target) (none chromedp.Void, err error) {
		conditions := &network.Conditions{Offline: off, DownloadThroughput: -1, UploadThroughput: -1}
		if _, err = cdp.Call(ctx, target, network.EmulateNetworkConditionsByRule, network.EmulateNetworkConditionsByRuleParams{
			MatchedNetworkConditions: []*network.Conditions{conditions},
		}); err != nil {
			return none, err
		}
		_, err = cdp.Call(ctx, target, network.OverrideNetworkState, network.OverrideNetworkStateParams{
			Offline: off, DownloadThroughput: -1, UploadThroughput: -1,
		})
		return none, err
	})
}

// TestToken lets tokens expire. If the token source works, they are refreshed in time on
// the same connection; if it fails, the connection is lost, but no message.
func TestToken(t *testing.T) {
	const secret = "the secret of the tests, long enough for HS256"
	var given atomic.Int32
	var life atomic.Int64 // of a token
	var closed atomic.Bool
	source := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Access-Control-Allow-Origin", "*")
		token, err := auth.Sign(secret, wirepost.Identity{User: "42", Expires: time.Now().Add(time.Duration(life.Load()))})
		if err != nil || closed.Load() {
			http.Error(w, "no token", http.StatusServiceUnavailable)
			return
		}
		given.Add(1)
		fmt.Fprint(w, token)
	}))
	t.Cleanup(source.Close)
	tab := browser.Open(t)
	browser.Expect(tab, `no token`)
	s := serve(t, "serve", "--api-key", apiKey, "--token-secret", secret)
	// A browser that is slow needs more time for a refresh than short tokens leave it.
	for ttl := 3 * time.Second; ; ttl *= 2 {
		life.Store(int64(ttl))
		before := given.Load()
		start(t, tab, s, fmt.Sprintf(`"/ws", { token: async () => {
			const response = await fetch(%q)
			if (!response.ok) throw new Error("no token")
			return response.text()
		} }`, source.URL))
		browser.Wait(t, tab, `client.state === "open"`)
		for end := time.Now().Add(3*ttl + browser.Patience); given.Load() < before+3; {
			if time.Now().After(end) {
				t.Fatalf("%d tokens were asked for", given.Load()-before)
			}
			browser.Wait(t, tab, `new Promise((done) => setTimeout(done, 100, true))`)
		}
		events := browser.Value[[]string](t, tab, "events")
		if !slices.Contains(events, "disconnect") {
			break
		}
		if ttl > 20*time.Second {
			t.Errorf("a refresh cost the connection: %q", events)
			break
		}
	}
	closed.Store(true)
	browser.Wait(t, tab, `events.includes("disconnect")`)
	s.mustPush("user:42", "1")
	closed.Store(false)
	saw(t, tab, "1")
}

// TestReliableIsNative runs the same script with the browser's WebSocket and with
// ReliableWebSocket.
func TestReliableIsNative(t *testing.T) {
	tab := browser.Open(t)
	browser.Expect(tab, `WebSocket`)
	s := serve(t, "dev")
	start(t, tab, s, `"/ws?user=42"`)
	run(t, tab, `window.story = async (Socket) => {
		const log = []
		const attempt = (what, fn) => {
			try { log.push(what + " " + fn()) } catch (e) { log.push(what + " throws " + e.name + " " + (e instanceof DOMException)) }
		}
		const echo = location.origin.replace("http", "ws") + "/echo"
		for (const url of ["ftp://x/", "ws://", "::", "ws://x/#a"]) attempt("new " + url, () => new Socket(url).close())
		attempt("bad protocol", () => new Socket(echo, "a b"))
		attempt("protocol twice", () => new Socket(echo, ["a", "a"]))
		attempt("relative", () => { const s = new Socket("/echo"); s.close(); return s.url === echo })
		attempt("http", () => { const s = new Socket(echo.replace("ws", "http")); s.close(); return s.url === echo })
		log.push(["CONNECTING", "OPEN", "CLOSING", "CLOSED"].map((n) => Socket[n]).join())
		// A socket that is closed before it is open.
		const follow = (s, name) => {
			for (const type of ["open", "message", "error", "close"]) {
				s.addEventListener(type, (e) => log.push([name, "heard", type, s.readyState, e.code, e.reason, e.wasClean, e.target === s, e.bubbles, e.cancelable].join(" ")))
				s["on" + type] = (e) => log.push([name, "on" + type, e.constructor.name].join(" "))
			}
			return new Promise((done) => s.addEventListener("close", done))
		}
		const early = new Socket(echo)
		const earlyEnd = follow(early, "early")
		attempt("close reason", () => early.close(1000, "x".repeat(124)))
		attempt("close code", () => early.close(1001))
		attempt("close code", () => early.close(2999))
		attempt("close", () => early.close())
		log.push("state " + early.readyState)
		await earlyEnd
		// A socket that sends and receives.
		const s = new Socket(echo)
		const end = follow(s, "s")
		log.push([s.url === echo, s.readyState, s.bufferedAmount, s.extensions, s.protocol, s.binaryType, s.CONNECTING, s.OPEN, s.CLOSING, s.CLOSED].join(" "))
		attempt("send early", () => s.send("x"))
		attempt("binaryType", () => { s.binaryType = "nonsense"; return s.binaryType })
		await new Promise((done) => s.addEventListener("open", done))
		const next = () => new Promise((done) => s.addEventListener("message", (e) => done(e), { once: true }))
		for (const data of ["text", "", "ü", new Uint8Array([1, 2]), new Uint8Array([3]).buffer, new Blob(["blob"])]) {
			s.binaryType = typeof data === "string" || data instanceof Blob ? "blob" : "arraybuffer"
			const answer = next()
			attempt("send", () => s.send(data))
			const { data: got, origin } = await answer
			log.push([got.constructor.name, got instanceof Blob ? await got.text() : got instanceof ArrayBuffer ? new Uint8Array(got).join() : got, origin].join(" "))
		}
		attempt("no argument", () => s.send())
		attempt("bad code", () => s.close(4))
		attempt("close", () => s.close(3456, "enough"))
		log.push("state " + s.readyState)
		attempt("send late", () => s.send("late"))
		await end
		attempt("send later", () => s.send("later"))
		attempt("close again", () => s.close())
		log.push([s.readyState, s.bufferedAmount].join(" "))
		s.onopen = null
		log.push(s.onopen === null)
		return log.map(String)
	}`)
	native := browser.Value[[]string](t, tab, `story(WebSocket)`)
	ours := browser.Value[[]string](t, tab, `story(wirepost.ReliableWebSocket)`)
	if diff := cmp.Diff(native, ours); diff != "" {
		t.Errorf("native and ours (-native +ours):\n%s", diff)
	}
	if len(native) < 40 {
		t.Errorf("the story has only %d lines", len(native))
	}
}

// TestReliable keeps a ReliableWebSocket open during a kill -9 of the server.
func TestReliable(t *testing.T) {
	tab := browser.Open(t)
	s := serve(t, "dev")
	start(t, tab, s, `"/ws?user=1"`)
	run(t, tab, `
		window.log = []
		window.socket = new wirepost.ReliableWebSocket("/ws?user=42")
		for (const type of ["open", "message", "error", "close"]) socket.addEventListener(type, (e) => log.push(e.data ?? type))
	`)
	s.mustPush("user:42", "1")
	browser.Wait(t, tab, `log.includes("1")`)
	s.kill()
	browser.Wait(t, tab, `socket.readyState === 0`)
	s.start()
	s.mustPush("user:42", "2")
	browser.Wait(t, tab, `log.includes("2")`)
	run(t, tab, `socket.close()`)
	browser.Wait(t, tab, `socket.readyState === 3`)
	got := strings.Join(browser.Value[[]string](t, tab, "log"), " ")
	// The first message is delivered again if the ping after it was lost.
	if got != "open 1 open 2 close" && got != "open 1 open 1 2 close" {
		t.Errorf("events: %s", got)
	}
}

// behind returns the server behind a proxy that refuses some requests.
func (s *server) behind(t *testing.T, refused func(*http.Request) bool) *server {
	t.Helper()
	back := &httputil.ReverseProxy{
		FlushInterval: -1,
		ErrorLog:      log.New(io.Discard, "", 0), // it logs requests that the page aborted
		Rewrite: func(p *httputil.ProxyRequest) {
			p.SetURL(&url.URL{Scheme: "http", Host: s.gate.address()})
			p.Out.Host = p.In.Host
		},
	}
	proxy := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if refused(r) {
			http.Error(w, "not through here", http.StatusBadGateway)
			return
		}
		back.ServeHTTP(w, r)
	}))
	t.Cleanup(proxy.Close)
	t.Cleanup(proxy.CloseClientConnections)
	through := *s
	through.gate = &gate{listener: proxy.Listener}
	return &through
}

// TestFallback connects through a proxy that does not support WebSockets, and through one
// that does not stream either.
func TestFallback(t *testing.T) {
	s := serve(t, "dev")
	for _, name := range []string{"sse", "poll"} {
		t.Run(name, func(t *testing.T) {
			tab := browser.Open(t)
			var open atomic.Bool
			through := s.behind(t, func(r *http.Request) bool {
				return !open.Load() && (r.Header.Get("Upgrade") != "" || name == "poll" && strings.HasPrefix(r.URL.Path, "/sse"))
			})
			user := "user:" + name
			s.mustPush(user, "1")
			start(t, tab, through, fmt.Sprintf(`"/ws?user=%s", { channels: ["news"] }`, name))
			browser.Wait(t, tab, fmt.Sprintf(`client.transport === %q`, name))
			s.mustPush(user, "2")
			browser.Wait(t, tab, `seen.includes("2")`)
			s.mustPush("news", "3")
			saw(t, tab, "1", "2", "3")
			if code := browser.Value[string](t, tab, `client.publish("news", 1).catch((e) => e.code)`); code != "unavailable" {
				t.Errorf("publish: %s", code)
			}
			s.stop()
			s.start()
			s.mustPush(user, "4")
			saw(t, tab, "1", "2", "3", "4")
			open.Store(true)
			browser.Wait(t, tab, `client.transport === "websocket"`)
			s.mustPush(user, "5")
			saw(t, tab, "1", "2", "3", "4", "5")
		})
	}
}

// TestOldBrowsers removes the APIs that the oldest supported browsers do not have, and uses
// every transport. Their syntax is esbuild's target, see embed.go.
func TestOldBrowsers(t *testing.T) {
	s := serve(t, "dev")
	for _, name := range []string{"websocket", "sse", "poll"} {
		t.Run(name, func(t *testing.T) {
			tab := browser.Open(t)
			browser.Expect(tab, lost)
			browser.Visit(t, tab, s.url("/healthz"))
			user := "user:old-" + name
			run(t, tab, `
				for (const name of ["TextDecoderStream", "TextEncoderStream", "structuredClone", "BroadcastChannel", "Navigation", "scheduler"]) delete window[name]
				for (const [of, names] of [
					[URL, ["canParse", "parse"]], [AbortSignal, ["timeout", "any"]], [AbortSignal.prototype, ["throwIfAborted", "reason"]],
					[Array, ["fromAsync"]], [Array.prototype, ["at", "findLast", "findLastIndex", "toSorted", "toSpliced", "with"]],
					[String.prototype, ["at", "isWellFormed", "toWellFormed"]], [Object, ["hasOwn", "groupBy"]], [Map, ["groupBy"]],
					[Promise, ["withResolvers", "try"]], [Crypto.prototype, ["randomUUID"]], [Navigator.prototype, ["locks"]],
					[Iterator.prototype, ["map", "filter", "toArray", "forEach", "some"]], [Set.prototype, ["union", "difference"]],
					[Response, ["json"]], [ReadableStream.prototype, [Symbol.asyncIterator, "values"]], [Uint8Array.prototype, ["toBase64", "toHex"]],
				]) for (const name of names) delete of[name]
				const { connect, ReliableWebSocket } = await import("/wirepost.js")
				window.seen = []
				window.client = connect("/ws?user=old-`+name+`", { transports: [`+strconv.Quote(name)+`], shared: true })
				client.on("message", (m) => seen.push(m.data))
				window.reliable = new ReliableWebSocket("/echo")
				reliable.onopen = () => reliable.send("echo")
				reliable.onmessage = (e) => { reliable.close(); seen.push(e.data) }
			`)
			browser.Wait(t, tab, fmt.Sprintf(`client.transport === %q && seen.includes("echo")`, name))
			s.mustPush(user, "1", "2")
			browser.Wait(t, tab, `seen.filter((text) => text !== "echo").join() === "1,2"`)
		})
	}
}

// TestWorker connects in a dedicated worker, which has neither a page nor a storage.
func TestWorker(t *testing.T) {
	tab := browser.Open(t)
	browser.Expect(tab, lost)
	s := serve(t, "dev")
	browser.Visit(t, tab, s.url("/healthz"))
	run(t, tab, `
		const script = `+"`"+`
			import { connect } from "${location.origin}/wirepost.js"
			const client = connect("${location.origin}/ws?user=42", { device: "worker" })
			client.on("message", (m) => postMessage(m.data))
			client.on("disconnect", () => postMessage("disconnect"))
			const room = client.presence("room:7")
			room.addEventListener("presence", () => postMessage(room.users.map((u) => u.user).join()))
			onmessage = ({ data }) => client.publish("room:7", data)
		`+"`"+`
		window.seen = []
		window.worker = new Worker(URL.createObjectURL(new Blob([script], { type: "text/javascript" })), { type: "module" })
		worker.onmessage = ({ data }) => seen.push(data)
		worker.onerror = ({ message }) => console.error(message)
	`)
	browser.Wait(t, tab, `seen.join() === "42"`)
	s.mustPush("user:42", "1")
	run(t, tab, `worker.postMessage("2")`)
	browser.Wait(t, tab, `seen.includes("1") && seen.includes("2")`)
	s.stop()
	browser.Wait(t, tab, `seen.includes("disconnect")`)
	s.start()
	s.mustPush("user:42", "3")
	browser.Wait(t, tab, `seen.includes("3")`)
	acknowledged(t, tab, 2)
}

// TestMoreFails: while the second script is missing, an error is emitted and WebSockets are
// still tried; the fallback connects as soon as the script is available.
func TestMoreFails(t *testing.T) {
	s := serve(t, "dev")
	var there atomic.Bool
	through := s.behind(t, func(r *http.Request) bool {
		return r.Header.Get("Upgrade") != "" || !there.Load() && r.URL.Path == "/wirepost-more.js"
	})
	tab := browser.Open(t)
	start(t, tab, through, `"/ws?user=42", { shared: true }`)
	run(t, tab, `client.on("error", (e) => (window.code = e.code))`)
	browser.Wait(t, tab, `events.includes("error")`)
	if state := browser.Value[string](t, tab, "client.state"); state != "connecting" {
		t.Errorf("it is %s", state)
	}
	browser.Wait(t, tab, `window.code === "unavailable"`)
	there.Store(true)
	s.mustPush("user:42", "1")
	saw(t, tab, "1")
	// The transports are tried in turn, so either may be next when the script is available.
	if name := browser.Value[string](t, tab, "client.transport"); name != "sse" && name != "poll" {
		t.Errorf("it is on %s", name)
	}
}
