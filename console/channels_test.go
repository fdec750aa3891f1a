package console

import (
	"fmt"
	"testing"

	"github.com/wirepost/wirepost/internal/browser"
)

func TestChannel(t *testing.T) {
	t.Parallel()
	s := newSite(t, "")
	for i := range 40 {
		s.push("news", fmt.Sprintf(`{"headline":%d}`, i+1))
	}
	s.client("bob&channels=news")
	tab := s.open("#/channels/news")
	says(t, tab, `[data-fact=head]`, "40")
	says(t, tab, `[data-fact=subscribers]`, "1 connection")
	says(t, tab, `[data-fact=kept]`, "30 days, at most 100,000 messages")
	says(t, tab, `[data-seq="40"] .preview`, `{"headline":40}`)
	browser.Wait(t, tab, `document.querySelectorAll(".messages li").length === 25`)
	browser.Click(t, tab, ".messages + .actions button")
	browser.Wait(t, tab, `document.querySelectorAll(".messages li").length === 40`)
	browser.Screenshot(t, tab, "news")

	browser.Fill(t, tab, ".push textarea", "one more")
	browser.Click(t, tab, ".push .main")
	says(t, tab, `[data-seq="41"] .preview`, "one more")

	browser.Click(t, tab, ".head .danger")
	says(t, tab, "dialog", "Empty news?")
	browser.Click(t, tab, "dialog button[value=no]")
	browser.Click(t, tab, ".head .danger")
	browser.Click(t, tab, "dialog .danger")
	says(t, tab, ".notice", "The channel is empty")
	says(t, tab, `[data-fact=oldest]`, "none")
	says(t, tab, ".panel", "No messages")
	if info, err := s.Channel(t.Context(), "news"); err != nil || info.Oldest != 0 {
		t.Errorf("the channel is %+v (%v)", info, err)
	}
}
