package console

import (
	"encoding/json"
	"fmt"
	"net/http"
	"testing"

	"github.com/wirepost/wirepost"
	"github.com/wirepost/wirepost/internal/browser"
)

// TestUserList: who is online comes first; the rest is read page by page.
func TestUserList(t *testing.T) {
	t.Parallel()
	s := newSite(t, "")
	for i := range 60 {
		if err := s.Join(t.Context(), fmt.Sprintf("u%02d", i), "news"); err != nil {
			t.Fatal(err)
		}
	}
	s.client("zoe")
	tab := s.open("#/users")
	says(t, tab, ".panel [data-user=zoe]", "1 connection")
	browser.Wait(t, tab, `document.querySelectorAll(".panel:nth-of-type(2) .names li").length === 50`)
	browser.Screenshot(t, tab, "user-list")
	browser.Click(t, tab, ".panel:nth-of-type(2) button")
	browser.Wait(t, tab, `document.querySelectorAll(".panel:nth-of-type(2) .names li").length === 61`)
	browser.Fill(t, tab, "input[type=search]", "u5")
	browser.Wait(t, tab, `document.querySelectorAll(".panel:nth-of-type(2) .names li").length === 10`)
	says(t, tab, ".panel:nth-of-type(1) .empty", "No name begins with u5")
	browser.Fill(t, tab, "input[type=search]", "user:u55")
	browser.Wait(t, tab, `document.querySelector(".panel:nth-of-type(2) .names").innerText.includes("u55") && document.querySelectorAll(".panel:nth-of-type(2) .names li").length === 1`)

	// A user is known by what is stored of them.
	tab = s.open("#/users/u07")
	says(t, tab, "h1", "User u07", "offline")
	tab = s.open("#/users/u0")
	says(t, tab, "h1", "User u0", "unknown")

	// The name of an inbox is that of its user.
	tab = s.open("#/channels")
	browser.Fill(t, tab, "input[type=search]", "user:u07")
	browser.Click(t, tab, ".search button")
	says(t, tab, "h1", "User u07", "offline")
}

func TestChannelList(t *testing.T) {
	t.Parallel()
	s := newSite(t, "", func(o *wirepost.Options) {
		o.Channels = []wirepost.Policy{{Pattern: "room:*", Presence: true}}
		authenticate := o.Authenticate
		o.Authenticate = func(r *http.Request) (wirepost.Identity, error) {
			id, err := authenticate(r)
			id.Info = json.RawMessage(`{"name":"Ada"}`)
			return id, err
		}
	})
	s.push("news", "1")
	s.client("bob&channels=room:7")
	tab := s.open("#/channels")
	says(t, tab, `[data-channel=news]`, "head 1", "0 subscribers")
	browser.Click(t, tab, `[data-channel="room:7"] a`)
	says(t, tab, ".panel [data-user=bob]", "bob", "for", `{"name":"Ada"}`)
	browser.Screenshot(t, tab, "presence")
}
