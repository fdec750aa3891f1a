package main

import (
	"context"
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
