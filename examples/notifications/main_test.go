package main

import (
	"context"
	"strings"
	"testing"
	"time"

	"github.com/wirepost/wirepost/examples/internal/trial"
	"github.com/wirepost/wirepost/internal/browser"
	"github.com/wirepost/wirepost/internal/webpush/pushtest"
)

func TestMain(m *testing.M) { trial.Main(browser.With(m), main) }

func TestBell(t *testing.T) {
	p := trial.Start(t)
	notify := func(text string) {
		t.Helper()
		if status, body := p.Request("POST", "/notify/ann", text); status != 200 {
			t.Fatalf("%d %s", status, body)
		}
	}
	notify("while away")
	tab := browser.Open(t)
	beside, phone := browser.OpenBeside(t, tab), browser.Open(t)
	for _, page := range []context.Context{tab, beside, phone} {
		browser.Visit(t, page, p.URL+"/?user=ann")
		browser.Wait(t, page, `count.textContent === "1" && list.children.length === 1`)
	}
	notify("while here")
	for _, page := range []context.Context{tab, beside, phone} {
		browser.Wait(t, page, `count.textContent === "2" && !count.hidden && document.title.startsWith("(2)")`)
	}
	browser.Screenshot(t, tab, "two")
	browser.Click(t, tab, "#bell")
	for _, page := range []context.Context{tab, beside, phone} {
		browser.Wait(t, page, `count.hidden && list.children.length === 2`)
	}
	notify("while looking")
	browser.Wait(t, tab, `count.hidden && list.children.length === 3`)
	browser.Wait(t, phone, `count.hidden && list.children.length === 3`)
	browser.Device(t, tab, 360, 640)
	browser.Screenshot(t, tab, "open")

	browser.Visit(t, beside, p.URL+"/?user=ann")
	browser.Wait(t, beside, `list.children.length === 3 && count.hidden`)
}

// TestClosed closes the page: what is pushed then comes by Web Push, and is clicked, or by
// e-mail. The push service is one of the test, which decrypts what it gets and hands it to
// the browser.
func TestClosed(t *testing.T) {
	p := trial.Start(t, "-web-push", "1s", "-mail", "2s")
	notify := func(user, text string) {
		t.Helper()
		if status, body := p.Request("POST", "/notify/"+user, text); status != 200 {
			t.Fatalf("%d %s", status, body)
		}
	}
	browserSubscription := pushtest.New(t).Subscribe("")
	tab := browser.OpenFirst(t)
	browser.Expect(tab, "favicon.ico") // of what is not the page
	browser.Subscribe(t, tab, browserSubscription.JSON())
	browser.Visit(t, tab, p.URL+"/?user=ann")
	browser.Click(t, tab, "#switch")
	browser.Wait(t, tab, `state.textContent.startsWith("This browser notifies you")`)
	browser.Screenshot(t, tab, "on")
	browser.Visit(t, tab, p.URL+"/mails") // a page without a connection

	push := func(text string) {
		t.Helper()
		notify("ann", text)
		select {
		case m := <-browserSubscription.Messages():
			browser.Push(t, tab, p.URL, "/wirepost-sw/", string(m.Text))
		case <-time.After(browser.Patience):
			t.Fatal("the server sends nothing to the push service")
		}
		if n := browser.WaitNotification(t, tab, "For ann"); !strings.Contains(n.Text, text) {
			t.Errorf("the notification says %q", n.Text)
		}
	}
	// Bob has no browser that is subscribed.
	notify("bob", "hello")
	browser.Wait(t, tab, `fetch("/mails").then((r) => r.json()).then((mails) => mails?.includes("to bob: hello"))`)

	// What is read in a tab is no notification any more.
	push("it has shipped")
	beside := browser.OpenBeside(t, tab)
	browser.Expect(beside, "favicon.ico")
	browser.Subscribe(t, beside, browserSubscription.JSON())
	browser.Visit(t, beside, p.URL+"/?user=ann")
	browser.Wait(t, beside, `list.children.length === 1`)
	browser.WaitNotification(t, tab, "For ann")
	browser.Click(t, beside, "#bell")
	browser.WaitNoNotification(t, tab, "For ann")
	browser.Visit(t, beside, p.URL+"/mails")

	push("it has arrived")
	browser.WaitNotification(t, tab, "For ann").Click(t, "")
	browser.WaitPage(t, tab, p.URL+"/?user=ann")
	browser.WaitNoNotification(t, tab, "For ann")

	browser.Visit(t, tab, p.URL+"/?user=ann")
	browser.Wait(t, tab, `document.querySelector("#switch").ariaPressed === "true"`)
	browser.Click(t, tab, "#switch")
	browser.Wait(t, tab, `document.querySelector("#switch").ariaPressed === "false" && state.textContent === ""`)
}

// TestReset restarts the program with an empty store: sequences start at 1, and the
// old read mark does not apply.
func TestReset(t *testing.T) {
	p := trial.Start(t)
	tab := browser.Open(t)
	browser.Expect(tab, `WebSocket connection to|Failed to load resource|net::ERR_`)
	browser.Visit(t, tab, p.URL+"/?user=ann")
	notify := func(text string) {
		t.Helper()
		if status, body := p.Request("POST", "/notify/ann", text); status != 200 {
			t.Fatalf("%d %s", status, body)
		}
	}
	for _, text := range []string{"one", "two", "three"} {
		notify(text)
	}
	browser.Wait(t, tab, `count.textContent === "3" && list.children.length === 3`)
	browser.Click(t, tab, "#bell")
	browser.Wait(t, tab, `count.hidden`)
	browser.Click(t, tab, "#bell") // closes the list
	p.Kill()
	p = trial.Start(t, "-listen", strings.TrimPrefix(p.URL, "http://"))
	notify("after")
	browser.Wait(t, tab, `count.textContent === "1" && list.children.length === 1`)
	notify("and live")
	browser.Wait(t, tab, `count.textContent === "2" && list.children.length === 2`)
}

func TestChinese(t *testing.T) {
	p := trial.Start(t)
	tab := browser.Open(t)
	browser.Language(t, tab, "zh-CN")
	browser.Visit(t, tab, p.URL+"/?user=ann")
	browser.Wait(t, tab, `document.title === "通知" && document.documentElement.lang === "zh-CN" && bell.ariaLabel === "通知"`)
	browser.Wait(t, tab, `!/[A-Za-z]{2}/.test(document.body.innerText.replace(/ann|Web Push/g, ""))`)
}
