package console

import (
	"context"
	"testing"

	"github.com/chromedp/cdproto/cdp"
	cdppage "github.com/chromedp/cdproto/page"
	"github.com/chromedp/chromedp"

	"github.com/wirepost/wirepost/internal/browser"
)

// daysLater has pages with a clock that is two days ahead, so that times have their days.
const daysLater = `{
	const Real = Date, later = () => Real.now() + 2 * 86_400_000
	globalThis.Date = class extends Real {
		constructor(...of) { super(...(of.length ? of : [later()])) }
		static now() { return later() }
	}
}`

// TestDays: on a phone, there is room for the times of other days as well.
func TestDays(t *testing.T) {
	t.Parallel()
	s := newFullSite(t)
	for _, language := range []string{"en", "zh"} {
		tab := browser.Open(t)
		browser.Language(t, tab, language)
		browser.Device(t, tab, 390, 844)
		browser.Run(t, tab, func(ctx context.Context, target *chromedp.Target) (none chromedp.Void, err error) {
			_, err = cdp.Call(ctx, target, cdppage.AddScriptToEvaluateOnNewDocument, cdppage.AddScriptToEvaluateOnNewDocumentParams{Source: daysLater})
			return none, err
		})
		for _, name := range []string{"overview", "events", "user", "channel", "scheduled", "message"} {
			pages[name].show(t, tab, s)
			browser.Wait(t, tab, `/\d{4}-\d\d-\d\d/.test(document.querySelector("main").textContent)`)
			if wide := browser.Value[int64](t, tab, "document.documentElement.scrollWidth"); wide > 390 {
				t.Errorf("%s, %s: it is %d wide: %s", name, language, wide, browser.Value[string](t, tab, widest))
			}
		}
	}
}
