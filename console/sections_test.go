package console

import (
	"context"
	"fmt"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/chromedp/cdproto/cdp"
	cdppage "github.com/chromedp/cdproto/page"
	"github.com/chromedp/chromedp"

	"github.com/wirepost/wirepost"
	"github.com/wirepost/wirepost/httpapi"
	"github.com/wirepost/wirepost/internal/browser"
)

// newFullSite starts a site where everything is on, and something is in every section.
func newFullSite(t *testing.T) *site {
	t.Helper()
	s := newSite(t, "", onDisk(t), func(o *wirepost.Options) {
		o.Events.Endpoints = []wirepost.EventEndpoint{{}}
		o.WebPush = wirepost.WebPushOptions{Subject: "mailto:test@example.com", AllowLoopback: true}
		o.Channels = []wirepost.Policy{{Pattern: "room:*", Presence: true}}
	})
	s.client("bob&device=phone&channels=room:7", "wirepost.v1")
	s.push("user:bob", "hello bob")
	s.push("room:7", `{"order":7}`)
	for _, p := range []wirepost.Push{
		{To: "user:bob", ID: "reminder", Data: []byte("1"), Delay: time.Hour},
		{To: "user:carol", ID: "invoice-2026", Data: []byte("1"), Delay: 48 * time.Hour},
	} {
		if _, err := s.Push(t.Context(), p); err != nil {
			t.Fatal(err)
		}
	}
	if err := s.AddWebPush(t.Context(), "bob", []byte(subscription)); err != nil {
		t.Fatal(err)
	}
	return s
}

// subscription has the keys of RFC 8291, section 5.
const subscription = `{"endpoint":"http://127.0.0.1:1/push/JzLQ3raZJfFBR0aqvOMsLrt54w4rJUsV","keys":{"p256dh":"BCVxsr7N_eNgVRqvHtD0zTZsEc6-VV-JvLexhqUzORcxaOzi6-AYWXvTBHm4bjyPjs7Vd8pZGH6SRpkNtoIAiw4","auth":"BTBZMqHH6r4Tts7J_aSIgg"}}`

// page is a page of the full site with what is there when it has been read. If something is
// to be clicked then, opened is there afterwards.
type page struct{ place, ready, click, opened string }

var pages = map[string]page{
	"overview":   {place: "#/", ready: "[data-event='session.connected']"},
	"users":      {place: "#/users", ready: "[data-user=bob]"},
	"user":       {place: "#/users/bob", ready: "[data-subscription]"},
	"channels":   {place: "#/channels", ready: "[data-channel='room:7']"},
	"channel":    {place: "#/channels/room:7", ready: "[data-user=bob]"},
	"playground": {place: "#/playground", ready: ".playground"},
	"events":     {place: "#/events", ready: "[data-event='session.connected']"},
	"scheduled":  {place: "#/scheduled", ready: "[data-scheduled=reminder]"},
	"store":      {place: "#/store", ready: "[data-fact=last]"},
	"settings":   {place: "#/settings", ready: "[data-setting=listen]"},
	"nowhere":    {place: "#/nowhere", ready: "main .empty"},

	"message":   {"#/users/bob", "[data-seq='1']", "[data-seq='1'] summary", ".verdict"},
	"question":  {"#/users/bob", "[data-subscription]", "[data-subscription] .danger", "dialog"},
	"shortcuts": {"#/", "[data-event='session.connected']", "#help", "dialog"},
	"socket":    {"#/playground", ".playground", "form .main", "[data-kind=open]"},
}

func TestEvents(t *testing.T) {
	t.Parallel()
	s := newFullSite(t)
	tab := s.open("#/events")
	says(t, tab, "[data-event='session.connected']", "bob", "phone")
	says(t, tab, "[data-event='channel.occupied']", "room:7")
	choose(t, tab, "select", "session.*")
	browser.Wait(t, tab, `document.querySelector("[data-event='channel.occupied']") === null && document.querySelector("[data-event='session.connected']") !== null`)
	choose(t, tab, "select", "")
	browser.Fill(t, tab, ".filters input", "room:")
	browser.Wait(t, tab, `document.querySelectorAll("[data-event]").length === 1`)
	browser.Fill(t, tab, ".filters input", "nobody")
	says(t, tab, ".empty", "No event of those that were read matches")
	browser.Fill(t, tab, ".filters input", "")

	browser.Click(t, tab, ".title button")
	says(t, tab, "h1 .pill", "paused, 0 events")
	before := browser.Value[int](t, tab, `document.querySelectorAll("[data-event]").length`)
	s.client("dave")
	says(t, tab, "h1 .pill", "paused, 2 events")
	if n := browser.Value[int](t, tab, `document.querySelectorAll("[data-event]").length`); n != before {
		t.Errorf("%d events are shown while paused, %d before", n, before)
	}
	browser.Click(t, tab, ".title button")
	says(t, tab, "[data-event='user.online']", "dave")
	says(t, tab, "h1 .pill", "live")

	// Where nothing asks for events, the page says how to turn them on.
	tab = newSite(t, "").open("#/events")
	says(t, tab, "h2", "Events are off")
	says(t, tab, "pre", "--events-types '*'")
	accessible(t, tab)
	browser.Screenshot(t, tab, "off")
}

func TestScheduled(t *testing.T) {
	t.Parallel()
	s := newFullSite(t)
	tab := s.open("#/scheduled")
	says(t, tab, "[data-scheduled=reminder]", "user:bob", "in 59 min")
	says(t, tab, "[data-scheduled=invoice-2026]", "user:carol", "in 1 d 23 h")
	browser.Click(t, tab, "[data-scheduled=reminder] .danger")
	says(t, tab, "dialog", "The push reminder to user:bob will not be made.")
	browser.Click(t, tab, "dialog button[value=no]")
	browser.Click(t, tab, "[data-scheduled=reminder] .danger")
	browser.Click(t, tab, "dialog .danger")
	says(t, tab, ".notice", "The push reminder was canceled")
	browser.Wait(t, tab, `document.querySelector("[data-scheduled=reminder]") === null`)
	if left, _, err := s.Scheduled(t.Context(), wirepost.ScheduledQuery{}); err != nil || len(left) != 1 || left[0].ID != "invoice-2026" {
		t.Errorf("scheduled: %+v, %v", left, err)
	}
	browser.Fill(t, tab, "input[type=search]", "user:bob")
	browser.Press(t, tab, "\r")
	says(t, tab, ".empty", "Nothing is scheduled")
}

func TestWebPush(t *testing.T) {
	t.Parallel()
	s := newFullSite(t)
	tab := s.open("#/users/bob")
	says(t, tab, "[data-subscription]", "default device", "http://127.0.0.1:1/push/")
	browser.Click(t, tab, "[data-subscription] .danger")
	says(t, tab, "dialog", "gets no notifications any more")
	browser.Click(t, tab, "dialog .danger")
	says(t, tab, ".notice", "The subscription was removed")
	says(t, tab, ".empty", "A browser that allows notifications has one")
	if left, err := s.WebPush(t.Context(), "bob"); err != nil || len(left) != 0 {
		t.Errorf("subscriptions: %+v, %v", left, err)
	}
}

func TestStore(t *testing.T) {
	t.Parallel()
	s := newFullSite(t)
	tab := s.open("#/store")
	says(t, tab, "[data-fact=last]", "ms")
	says(t, tab, "[data-fact=users]", "1")
	browser.Wait(t, tab, `/^[1-9]/.test(document.querySelector("[data-fact=channels]").textContent)`)
	browser.Wait(t, tab, `/[KMGT]iB/.test(document.querySelector("[data-fact=free]").textContent)`)
	before := browser.Value[string](t, tab, `document.querySelector("[data-fact=count]").textContent`)
	s.push("news", "1")
	browser.Wait(t, tab, fmt.Sprintf(`document.querySelector("[data-fact=count]").textContent !== %q`, before))

	tab = newSite(t, "").open("#/store")
	says(t, tab, "main", "This server keeps everything in memory")
	accessible(t, tab)
	browser.Screenshot(t, tab, "memory")
}

func TestSettings(t *testing.T) {
	t.Parallel()
	s := newSite(t, testKey)
	tab := s.open("#/settings")
	browser.Expect(tab, "status of 401")
	browser.Fill(t, tab, "input[name=key]", testKey)
	browser.Press(t, tab, "\r")
	says(t, tab, "[data-setting=listen]", "127.0.0.1:8080", "default")
	says(t, tab, "[data-setting=window]", "64", "WIREPOST_WINDOW")
	browser.Click(t, tab, "input[type=checkbox]")
	browser.Wait(t, tab, `document.querySelector("[data-setting=listen]") === null`)
	browser.Fill(t, tab, "input[type=search]", "no such")
	says(t, tab, ".empty", "No setting matches")

	// A key with less is told so.
	s = newSite(t, "read:"+testKey)
	tab = s.open("#/settings")
	browser.Expect(tab, "status of 40[13]")
	browser.Fill(t, tab, "input[name=key]", testKey)
	browser.Press(t, tab, "\r")
	says(t, tab, "main", "needs a key with the scope admin")
}

// TestHistory: a console that is opened shows what happened before.
func TestHistory(t *testing.T) {
	t.Parallel()
	s := newSite(t, "")
	s.client("bob")
	for end := time.Now().Add(patience); len(s.Trend()) < 3; time.Sleep(50 * time.Millisecond) { // the server adds a point in 5 s
		if time.Now().After(end) {
			t.Fatalf("%d points", len(s.Trend()))
		}
	}
	tab := s.open("")
	says(t, tab, "#link", "live")
	browser.Wait(t, tab, `document.querySelectorAll(".plot canvas").length === 3`)
	// The first point of the axis is as old as the server.
	browser.Wait(t, tab, `import("/console/history.js").then(({ shown }) => { const { at } = shown().columns; return at.length >= 3 && at.at(-1) - at[0] >= 9 })`)
	browser.Click(t, tab, ".choice label:nth-of-type(2)")
	browser.Wait(t, tab, `import("/console/history.js").then(({ shown }) => { const { span, columns } = shown(); return span === 300 && columns.at.at(-1) - columns.at[0] >= 9 })`)
}

// show shows a page in a tab.
func (p page) show(t *testing.T, tab context.Context, s *site) {
	t.Helper()
	browser.Visit(t, tab, "about:blank")
	browser.Visit(t, tab, s.url+"/console"+p.place)
	browser.Wait(t, tab, fmt.Sprintf("document.querySelector(%q) !== null", p.ready))
	if p.click != "" {
		browser.Click(t, tab, p.click)
		browser.Wait(t, tab, fmt.Sprintf("document.querySelector(%q) !== null", p.opened))
	}
}

// TestChinese: a browser that prefers Chinese gets Chinese, and no word of English but names.
// The choice of the other language is kept.
func TestChinese(t *testing.T) {
	t.Parallel()
	s := newFullSite(t)
	tab := browser.Open(t)
	browser.Language(t, tab, "zh-CN,zh;q=0.9,en;q=0.8")
	browser.Visit(t, tab, s.url+"/console")
	says(t, tab, "#link", "实时")
	for name, page := range pages {
		page.show(t, tab, s)
		onlyChinese(t, tab, name)
	}
	if title := browser.Value[string](t, tab, "document.title"); !strings.Contains(title, "控制台") {
		t.Errorf("the title is %q", title)
	}
	browser.Visit(t, tab, "about:blank")
	browser.Visit(t, tab, s.url+"/console#/users")
	browser.Click(t, tab, "#language")
	says(t, tab, "h1", "Users")
	browser.Run(t, tab, chromedp.Reload())
	says(t, tab, "h1", "Users")
	browser.Wait(t, tab, `document.documentElement.lang === "en"`)
	browser.Click(t, tab, "#language")
	says(t, tab, "h1", "用户")
	browser.Wait(t, tab, `document.documentElement.lang === "zh-CN"`)
}

// noStorage has pages without storage, as where it is forbidden.
const noStorage = `for (const name of ["localStorage", "sessionStorage"]) {
	Object.defineProperty(window, name, { get() { throw new DOMException("it is forbidden", "SecurityError") } })
}`

// TestNoStorage uses the console where storage is forbidden: what is chosen and the key are
// there as long as the page.
func TestNoStorage(t *testing.T) {
	t.Parallel()
	s := newSite(t, testKey)
	tab := browser.Open(t)
	browser.Expect(tab, "status of 401")
	browser.Language(t, tab, "en")
	browser.Run(t, tab, func(ctx context.Context, target *chromedp.Target) (none chromedp.Void, err error) {
		_, err = cdp.Call(ctx, target, cdppage.AddScriptToEvaluateOnNewDocument, cdppage.AddScriptToEvaluateOnNewDocumentParams{Source: noStorage})
		return none, err
	})
	browser.Visit(t, tab, s.url+"/console#/users")
	browser.Click(t, tab, "#language")
	says(t, tab, "h1", "登录")
	browser.Click(t, tab, "#language")
	says(t, tab, "h1", "Sign in")
	browser.Fill(t, tab, "input[name=key]", testKey)
	browser.Click(t, tab, ".login button")
	says(t, tab, "h1", "Users")
	browser.Click(t, tab, "#theme")
	browser.Wait(t, tab, `document.documentElement.dataset.theme !== undefined`)
}

// TestProblems: what the server refuses is said in the language of the page, with the details
// of the server; in English these say enough.
func TestProblems(t *testing.T) {
	t.Parallel()
	s := newSite(t, "")
	for language, want := range map[string][2]string{"en": {"limit: ", "there is no such route"}, "zh": {"请求有误：limit: ", "不存在："}} {
		tab := browser.Open(t)
		browser.Expect(tab, "status of 40")
		browser.Language(t, tab, language)
		browser.Visit(t, tab, s.url+"/console")
		for i, path := range []string{"/v1/channels?limit=x", "/v1/nothing"} {
			got := browser.Value[string](t, tab, fmt.Sprintf(`import("/console/api.js").then((api) => api.call("GET", %q)).catch((error) => error.message)`, path))
			if !strings.HasPrefix(got, want[i]) {
				t.Errorf("%s, %s: %s", language, path, got)
			}
		}
	}
}

// TestProblemInChinese: what is entered wrong is said in Chinese.
func TestProblemInChinese(t *testing.T) {
	t.Parallel()
	s := newSite(t, "")
	tab := s.inChinese("#/users/a%20b")
	browser.Expect(tab, "status of 400")
	says(t, tab, "main", `请求有误：user: 用户的名称 "a b" 含有 ' '`)
}

// TestNothingLost: a page that lost no event does not speak of lost ones.
func TestNothingLost(t *testing.T) {
	t.Parallel()
	s := newFullSite(t)
	tab := browser.Open(t)
	browser.Language(t, tab, "en")
	pages["overview"].show(t, tab, s)
	says(t, tab, ".panel p", " written by this server")
	if browser.Value[bool](t, tab, `document.body.textContent.includes("lost")`) {
		t.Error("something is said to be lost")
	}
}

// visibleTexts are the texts of the page and of its attributes, without what comes from the
// server.
const visibleTexts = `(() => {
	const all = [];
	for (let walk = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT), node; (node = walk.nextNode());) {
		const { parentElement: e } = node;
		if (!e.closest("noscript, .name, .tag, .preview, pre, code, option, bdi, .clip, #language, dd[data-fact=epoch]") && e.checkVisibility()) all.push(node.data);
	}
	for (const name of ["aria-label", "title", "placeholder"]) {
		for (const e of document.querySelectorAll("[" + name + "]")) if (!e.matches("input, .clip")) all.push(e.getAttribute(name));
	}
	return all;
})()`

var word = regexp.MustCompile(`[A-Za-z]{2,}`)

// english returns the words of a text that are no names.
func english(text string) string {
	text = regexp.MustCompile(`Wirepost|Web Push|WebSocket|User-Agent|Server-Sent Events|wirepost\.v1|wirepost|--\w+|/\w+|[KMG]iB|\bms\b|[A-Z2-7]{26}|\b[a-z0-9]{16}\b|openapi\.json|room:\S|user:\w+|news|URL|API|JSON|ID|Ctrl|Enter|Esc|bob|carol|phone|reminder|invoice-2026|127\.0\.0\.1|\btcp\b|plain|ping|pong|epoch|key|nowhere|\back\b|text/plain|application/json|https?://\S+|prod|leader|\bid\b|session\.\w+|user\.\w+|channel\.\w+`).ReplaceAllString(text, "")
	return strings.Join(word.FindAllString(text, -1), " ")
}

// TestAccessible checks every page with axe, in both languages and both colour schemes.
func TestAccessible(t *testing.T) {
	t.Parallel()
	s := newFullSite(t)
	for _, language := range []string{"en", "zh"} {
		t.Run(language, func(t *testing.T) {
			t.Parallel()
			tab := browser.Open(t)
			browser.Language(t, tab, language)
			for _, scheme := range []string{"light", "dark"} {
				browser.Run(t, tab, prefer(scheme))
				for name, page := range pages {
					page.show(t, tab, s)
					if browser.Value[bool](t, tab, `[...document.querySelectorAll("h2")].some((h2) => h2.textContent === document.querySelector("h1").textContent)`) {
						t.Errorf("%s, %s: a panel has the heading of the page", name, language)
					}
					for _, v := range browser.Violations(t, tab) {
						t.Errorf("%s, %s, %s: %s", name, language, scheme, v)
					}
					for _, width := range []int64{390, 1280} {
						browser.Device(t, tab, width, 844)
						if wide := browser.Value[int64](t, tab, "document.documentElement.scrollWidth"); wide > width {
							t.Errorf("%s is %d wide on a screen of width %d: %s", name, wide, width, browser.Value[string](t, tab, widest))
						}
						browser.Screenshot(t, tab, fmt.Sprintf("%s-%d-%s", name, width, scheme))
					}
				}
			}
		})
	}
}

// siteSettings are what the site's API shows.
var siteSettings = []httpapi.Setting{
	{Name: "listen", Value: "127.0.0.1:8080", Origin: "default"},
	{Name: "window", Value: "64", Origin: "WIREPOST_WINDOW"},
	{Name: "api-key", Value: "push:********,********", Origin: "/etc/wirepost/wirepost.yaml:12"},
	{Name: "token-issuer", Value: "-", Origin: "default"},
	{Name: "channels", Value: "pattern: room:*, max_age: 2h, subscribe: anyone, publish: token, presence: true", Origin: "/etc/wirepost/wirepost.yaml:31"},
}
