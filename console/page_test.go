package console

import (
	"context"
	"fmt"
	"net"
	"strings"
	"testing"
	"time"

	"github.com/chromedp/cdproto/cdp"
	"github.com/chromedp/cdproto/emulation"
	"github.com/chromedp/chromedp"

	"github.com/wirepost/wirepost/internal/browser"
)

const testKey = "a-key-for-the-console-0123456789"

func TestKey(t *testing.T) {
	t.Parallel()
	s := newSite(t, testKey)
	s.push("user:bob", "for keyholders only")
	tab := s.open("#/users/bob")
	browser.Expect(tab, "status of 401")
	says(t, tab, "h1", "Sign in")
	accessible(t, tab)
	browser.Screenshot(t, tab, "form")
	for _, wrong := range []struct{ key, words string }{
		{"wrong", "The server does not accept this key"}, {"schlüssel-世界", "characters that cannot be sent"},
	} {
		browser.Fill(t, tab, "input[name=key]", wrong.key)
		browser.Click(t, tab, ".login button")
		says(t, tab, ".notice", wrong.words)
		browser.Wait(t, tab, `document.querySelector("input[name=key]") !== null && !document.body.textContent.includes("keyholders")`)
	}
	says(t, tab, "h1", "Sign in")
	browser.Fill(t, tab, "input[name=key]", testKey)
	browser.Click(t, tab, ".login button")
	says(t, tab, ".preview", "for keyholders only")
	says(t, tab, "#link", "live")

	// The tab keeps the key; another profile has none.
	browser.Run(t, tab, chromedp.Reload())
	says(t, tab, ".preview", "for keyholders only")
	other := s.open("#/users/bob")
	browser.Expect(other, "status of 401")
	says(t, other, "h1", "Sign in")

	browser.Click(t, tab, "#leave")
	browser.Click(t, tab, "dialog .danger")
	says(t, tab, "h1", "Sign in")
	if browser.Value[bool](t, tab, `document.body.textContent.includes("keyholders") || Object.values(sessionStorage).length > 0`) {
		t.Error("data remains after signing out")
	}
}

// TestNothingOverflows checks every section at the width of a phone, in both colour schemes.
func TestNothingOverflows(t *testing.T) {
	t.Parallel()
	s := newSite(t, "")
	long := strings.Repeat("a-very-long-name-", 10)
	s.client(long + "&device=" + long)
	s.client("bob&device=phone")
	s.push("user:"+long, strings.Repeat("no-space-", 500))
	s.push("user:bob", "short")
	tab := s.open("")
	for _, scheme := range []string{"light", "dark"} {
		browser.Run(t, tab, prefer(scheme))
		for _, width := range []int64{360, 800, 1280} {
			browser.Device(t, tab, width, 740)
			for name, place := range map[string]string{
				"overview": "#/", "users": "#/users", "user": "#/users/" + long, "bob": "#/users/bob",
				"channel": "#/channels/user:" + long, "playground": "#/playground",
			} {
				browser.Visit(t, tab, s.url+"/console"+place)
				says(t, tab, "#link", "live")
				if name == "user" || name == "bob" || name == "channel" {
					browser.Click(t, tab, `[data-seq="1"] summary`)
					browser.Wait(t, tab, `document.querySelector(".verdict") !== null`)
				}
				if wide := browser.Value[int64](t, tab, "document.documentElement.scrollWidth"); wide > width {
					t.Errorf("%s is %d wide on a screen of width %d: %s", name, wide, width, browser.Value[string](t, tab, widest))
				}
				if width != 800 {
					browser.Screenshot(t, tab, fmt.Sprintf("%s-%d-%s", name, width, scheme))
				}
			}
		}
	}
}

// widest names the element that extends furthest to the right.
const widest = `[...document.querySelectorAll("main *")].sort((a, b) => b.getBoundingClientRect().right - a.getBoundingClientRect().right)[0].outerHTML.slice(0, 200)`

func TestColours(t *testing.T) {
	t.Parallel()
	s := newSite(t, "")
	tab := s.open("")
	const ground = "getComputedStyle(document.body).backgroundColor"
	const light, dark = "rgb(244, 246, 249)", "rgb(14, 17, 23)"
	is := func(want string) {
		t.Helper()
		browser.Wait(t, tab, ground+" === "+fmt.Sprintf("%q", want))
	}
	browser.Run(t, tab, prefer("light"))
	is(light)
	browser.Run(t, tab, prefer("dark"))
	is(dark)
	browser.Click(t, tab, "#theme")
	is(light)
	browser.Run(t, tab, chromedp.Reload())
	is(light)
	browser.Click(t, tab, "#theme")
	is(dark)
}

// TestKeyboard uses its own browser: keys are lost when another tab takes the focus.
func TestKeyboard(t *testing.T) {
	s := newSite(t, "")
	tab := s.open("")
	says(t, tab, "#link", "live")
	browser.Press(t, tab, "2")
	says(t, tab, "h1", "Users")
	browser.Wait(t, tab, `document.activeElement.type === "search"`)
	browser.Press(t, tab, "4t?") // in a field these are text
	browser.Wait(t, tab, `document.activeElement.value === "4t?"`)
	browser.Run(t, tab, chromedp.Evaluate[chromedp.Void]("document.activeElement.blur()"))
	browser.Press(t, tab, "?")
	says(t, tab, "dialog", "Keyboard shortcuts")
	browser.Screenshot(t, tab, "shortcuts")
	browser.Press(t, tab, "4") // goes to the dialog
	browser.Press(t, tab, "\x1b")
	browser.Wait(t, tab, `document.querySelector("dialog") === null`)
	says(t, tab, "h1", "Users")
	browser.Press(t, tab, "t")
	browser.Wait(t, tab, `document.documentElement.dataset.theme !== undefined`)
	browser.Press(t, tab, "/")
	browser.Wait(t, tab, `document.activeElement.type === "search"`)
	browser.Fill(t, tab, "input[type=search]", "bob")
	browser.Press(t, tab, "\r")
	says(t, tab, "h1", "User bob")

	browser.Run(t, tab, chromedp.Evaluate[chromedp.Void](`document.querySelector(".skip").click()`))
	browser.Wait(t, tab, `document.activeElement.id === "main"`)
	says(t, tab, "h1", "User bob")

	// Every control has a name, in every section.
	for _, section := range []string{"#/", "#/users/bob", "#/channels/news", "#/playground"} {
		browser.Visit(t, tab, s.url+"/console"+section)
		says(t, tab, "#link", "live")
		browser.Wait(t, tab, `document.querySelector("main h2") !== null`)
		nameless := browser.Value[[]string](t, tab, `[...document.querySelectorAll("button, input, select, textarea, a[href]")]
			.filter((e) => !(e.getAttribute("aria-label") || e.textContent.trim() || (e.labels && e.labels.length > 0))).map((e) => e.outerHTML)`)
		if len(nameless) > 0 {
			t.Errorf("%s: controls without a name: %q", section, nameless)
		}
	}
}

// TestTabOrder: the Tab key reaches every control of every page, and each shows that it has the
// focus. It is not parallel, for the reason of TestKeyboard.
func TestTabOrder(t *testing.T) {
	s := newFullSite(t)
	tab := browser.Open(t)
	for name, page := range pages {
		if page.opened == "dialog" {
			continue // the controls behind it are out of reach
		}
		page.show(t, tab, s)
		browser.Run(t, tab, chromedp.Evaluate[chromedp.Void](`window.reached = new Set(), document.activeElement.blur()`))
		browser.Run(t, tab, chromedp.Evaluate[chromedp.Void](`document.querySelector(".skip").focus()`))
		seen := "[]"
		for range 150 {
			browser.Press(t, tab, "\t")
			blind := browser.Value[string](t, tab, `(() => {
				const e = document.activeElement;
				if (e === document.body || e.matches(".skip")) return "";
				reached.add(e);
				const shows = e.matches("[type=radio]") ? e.nextElementSibling : e;
				return getComputedStyle(shows).outlineStyle === "none" ? e.outerHTML.slice(0, 200) : "";
			})()`)
			if blind != "" {
				t.Errorf("%s: without a visible focus: %s", name, blind)
			}
			if seen = browser.Value[string](t, tab, unreached); seen == "[]" {
				break
			}
		}
		if seen != "[]" {
			t.Errorf("%s: the Tab key does not reach %s", name, seen)
		}
	}
}

// unreached lists the controls that have not had the focus.
const unreached = `JSON.stringify([...document.querySelectorAll("a[href], button, input, select, textarea, summary, [tabindex='0']")]
	.filter((e) => e.checkVisibility() && !e.disabled && !e.matches(".skip, [type=radio]:not(:checked)") && !reached.has(e)).map((e) => e.outerHTML.slice(0, 120)))`

// clean fails the test if text was inserted as markup.
func clean(t *testing.T, tab context.Context) {
	t.Helper()
	if browser.Value[bool](t, tab, `document.querySelector("main img, main script") !== null || window.bad !== undefined`) {
		t.Error("text became markup")
	}
}

func prefer(scheme string) chromedp.Action[chromedp.Void] {
	return chromedp.Func(func(ctx context.Context, tab *chromedp.Target) error {
		_, err := cdp.Call(ctx, tab, emulation.SetEmulatedMedia, emulation.SetEmulatedMediaParams{
			Features: []*emulation.MediaFeature{{Name: "prefers-color-scheme", Value: scheme}},
		})
		return err
	})
}

// choose chooses an option with the keyboard.
func choose(t *testing.T, tab context.Context, selector, value string) {
	t.Helper()
	browser.Run(t, tab, chromedp.WaitVisible(chromedp.CSS(selector)), chromedp.Evaluate[chromedp.Void](fmt.Sprintf(`{
		const e = document.querySelector(%q);
		e.value = %q;
		e.dispatchEvent(new Event("input", { bubbles: true }));
	}`, selector, value)))
}

func clickButton(words string) chromedp.Action[chromedp.Void] {
	return chromedp.Evaluate[chromedp.Void](fmt.Sprintf(
		`[...document.querySelectorAll("main button")].find((e) => e.textContent === %q).click()`, words))
}

// listenAgain listens on an address that was in use until now.
func listenAgain(t *testing.T, address string) net.Listener {
	t.Helper()
	for end := time.Now().Add(patience); ; {
		l, err := net.Listen("tcp", address)
		if err == nil {
			return l
		}
		if time.Now().After(end) {
			t.Fatal(err)
		}
	}
}
