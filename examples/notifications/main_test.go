package main

import (
	"context"
	"strings"
	"testing"

	"github.com/wirepost/wirepost/examples/internal/trial"
	"github.com/wirepost/wirepost/internal/browser"
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
