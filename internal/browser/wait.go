package browser

import (
	"context"
	"testing"
	"time"

	"github.com/chromedp/chromedp"
)

// every is how often a condition is looked at.
const every = 25 * time.Millisecond

// Wait evaluates an expression in the page until it is true, and ends the test
// when that takes too long. A promise is awaited. It works under any content
// security policy, and across navigations.
func Wait(t *testing.T, tab context.Context, expression string) {
	t.Helper()
	ctx, cancel := context.WithTimeout(tab, patience)
	defer cancel()
	ticker := time.NewTicker(every)
	defer ticker.Stop()
	var last error
	for {
		holds, err := evaluate[bool](ctx, "Boolean(await ("+expression+"))")
		if holds {
			return
		}
		if ctx.Err() == nil {
			last = err // of an old document, or of one that is not all there
		}
		select {
		case <-ctx.Done():
			if tab.Err() != nil {
				t.Fatalf("the tab is closed: waited for %s", expression)
			}
			t.Fatalf("waited %s for %s (last error: %v)\nthe page shows:\n%s\nand complained: %q",
				patience, expression, last, visibleText(tab), Complaints(tab))
		case <-ticker.C:
		}
	}
}

// Value evaluates an expression in the page and awaits it; T is what its JSON is
// read into.
func Value[T any](t *testing.T, tab context.Context, expression string) T {
	t.Helper()
	ctx, cancel := context.WithTimeout(tab, patience)
	defer cancel()
	value, err := evaluate[T](ctx, "await ("+expression+")")
	if err != nil {
		t.Fatalf("%s: %v", expression, err)
	}
	return value
}

// evaluate runs an expression that may await.
func evaluate[T any](tab context.Context, expression string) (T, error) {
	return chromedp.Run(tab, chromedp.Evaluate[T]("(async () => "+expression+")()", chromedp.EvalAwaitPromise))
}

// visibleText is what a failure shows of the page.
func visibleText(tab context.Context) string {
	ctx, cancel := context.WithTimeout(tab, time.Second)
	defer cancel()
	text, err := evaluate[string](ctx, "document.body.innerText")
	if err != nil {
		return err.Error()
	}
	return text
}
