package main

import (
	"context"
	"testing"
	"time"

	"github.com/wirepost/wirepost"
	"github.com/wirepost/wirepost/auth"
	"github.com/wirepost/wirepost/internal/browser"
)

// The console is tested in its package. This checks that the command serves it, and
// that the server's protections accept a real browser.

func TestConsoleInDev(t *testing.T) {
	_, address, _ := testApp(t, t.Context(), func(c *Config) { c.Console = true })
	tab := browser.Open(t)
	browser.Visit(t, tab, address+"/")
	browser.Wait(t, tab, `location.pathname === "/console" && document.querySelector("#link").textContent === "live"`)
	browser.Press(t, tab, "4")
	browser.Click(t, tab, "form .main")
	browser.Wait(t, tab, `document.querySelector("[data-kind=open]") !== null`)
	browser.Fill(t, tab, ".pushing textarea", "hello from the console")
	browser.Click(t, tab, ".pushing .main")
	waitFrame(t, tab, "in", "hello from the console")
}

func TestConsoleInServe(t *testing.T) {
	const key, signing = "a-key-for-this-test", "0123456789abcdef0123456789abcdef"
	_, address, _ := testApp(t, t.Context(), func(c *Config) {
		c.Dev, c.Console = false, true
		c.APIKey, c.TokenSecret = []apiKey{key}, []secret{signing}
	})
	tab := browser.Open(t)
	browser.Expect(tab, "status of 401")
	browser.Visit(t, tab, address+"/console")
	browser.Fill(t, tab, "input[name=key]", key)
	browser.Press(t, tab, "\r")
	browser.Wait(t, tab, `document.querySelector("#link").textContent === "live"`)

	token, err := auth.Sign(signing, wirepost.Identity{User: "42", Expires: time.Now().Add(time.Hour)})
	if err != nil {
		t.Fatal(err)
	}
	browser.Press(t, tab, "4")
	browser.Fill(t, tab, "form input[type=password]", token)
	browser.Click(t, tab, "form .main")
	browser.Wait(t, tab, `document.querySelector("[data-kind=open]").textContent.includes("wirepost.plain")`)
	browser.Fill(t, tab, ".pushing textarea", "to the holder of the token")
	browser.Click(t, tab, ".pushing .main")
	waitFrame(t, tab, "in", "to the holder of the token")
	waitFrame(t, tab, "pong", "acknowledged user:42 up to 1")
}

func waitFrame(t *testing.T, tab context.Context, direction, words string) {
	t.Helper()
	browser.Wait(t, tab, `[...document.querySelectorAll("[data-direction=`+direction+`]")].some((e) => e.textContent.includes("`+words+`"))`)
}
