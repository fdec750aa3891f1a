package browser

import (
	"context"
	"fmt"
	"testing"
	"time"

	"github.com/chromedp/cdproto/cdp"
	"github.com/chromedp/cdproto/input"
	"github.com/chromedp/chromedp"
	"github.com/chromedp/chromedp/kb"
)

// Click waits until an element, given by a CSS selector, exists, is enabled, at rest
// and not covered, and clicks in its middle like a mouse. If the page moves the
// element in between, so that the click misses it, it clicks again.
func Click(t *testing.T, tab context.Context, selector string) {
	t.Helper()
	var last point
	repeat(t, tab, "click "+selector, func(ctx context.Context) (bool, error) {
		p, err := evaluate[point](ctx, fmt.Sprintf(middle, selector))
		if err != nil || p == (point{}) || p != last {
			last = p
			return false, err
		}
		return arrives(ctx, "click", fmt.Sprintf("e.composedPath().includes(document.querySelector(%q))", selector),
			chromedp.MouseClickXY(p.X, p.Y))
	})
}

// point is a position in the window. Its zero value means that there is nothing to
// click.
type point struct{ X, Y float64 }

// middle scrolls to an element and returns the point in its middle, if a click there
// reaches it.
const middle = `(() => {
	const element = document.querySelector(%q)
	if (!element || element.matches(":disabled")) return { X: 0, Y: 0 }
	const at = () => {
		const r = element.getClientRects()[0] ?? new DOMRect()
		return { X: r.x + r.width / 2, Y: r.y + r.height / 2 }
	}
	const hit = ({ X, Y }) => {
		const top = document.elementFromPoint(X, Y)
		return top !== null && (element.contains(top) || top.closest("label")?.control === element)
	}
	if (!hit(at())) element.scrollIntoView({ block: "center", inline: "nearest", behavior: "instant" })
	return hit(at()) ? at() : { X: 0, Y: 0 }
})()`

// arrives does something that makes an event in the page, and reports whether an
// event of that type came for which the expression is true; in it, e is the event.
// If the page is another one afterwards, the event has come.
func arrives(ctx context.Context, event, expression string, act chromedp.Action[chromedp.Void]) (bool, error) {
	listen := fmt.Sprintf(`(() => {
		const hear = (e) => { window.browserHeard ||= %[2]s }
		window.browserListens?.abort()
		window.browserListens = new AbortController()
		window.browserHeard = false
		addEventListener(%[1]q, hear, { capture: true, signal: browserListens.signal })
		return true
	})()`, event, expression)
	if _, err := evaluate[bool](ctx, listen); err != nil {
		return false, err
	}
	if err := chromedp.Do(ctx, act); err != nil {
		return false, err
	}
	for {
		heard, err := evaluate[bool](ctx, "window.browserHeard !== false")
		if err == nil || ctx.Err() != nil {
			return heard, err
		}
		<-time.After(every) // the page is being replaced
	}
}

// Fill replaces the text of a field, like a user typing or pasting.
func Fill(t *testing.T, tab context.Context, selector, text string) {
	t.Helper()
	repeat(t, tab, "fill "+selector, func(ctx context.Context) (bool, error) {
		err := chromedp.Do(
			ctx, chromedp.Focus(chromedp.CSS(selector), chromedp.NodeVisible),
			chromedp.Evaluate[chromedp.Void]("document.activeElement.select?.()"), chromedp.KeyEvent(kb.Delete), insert(text),
		)
		if err != nil {
			return false, err
		}
		// The page, or another tab, may have taken the focus in between.
		return evaluate[bool](ctx, fmt.Sprintf("document.querySelector(%q)?.value === %q", selector, text))
	})
}

func insert(text string) chromedp.Action[chromedp.Void] {
	return chromedp.Func(func(ctx context.Context, tab *chromedp.Target) error {
		_, err := cdp.Call(ctx, tab, input.InsertText, input.InsertTextParams{Text: text})
		return err
	})
}

// Press presses keys in the element that has the focus: text, or keys of
// chromedp's package kb. A key that does not reach the page, as when another tab of
// the browser takes the focus, is pressed again.
func Press(t *testing.T, tab context.Context, keys string) {
	t.Helper()
	for _, key := range keys {
		repeat(t, tab, fmt.Sprintf("press %q", key), func(ctx context.Context) (bool, error) {
			return arrives(ctx, "keydown", "true", chromedp.KeyEvent(string(key)))
		})
	}
}
