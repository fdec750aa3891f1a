package browser

import (
	"context"
	"testing"
	"time"

	"github.com/chromedp/chromedp"
)

// every is the interval between checks of a condition.
const every = 25 * time.Millisecond

// Wait evaluates an expression in the page until it is true, and fails the test on a
// time-out. Promises are awaited. It works under any content security policy, and
// across navigations.
func Wait(t *testing.T, tab context.Context, expression string) {
	t.Helper()
	repeat(t, tab, "wait for "+expression, func(ctx context.Context) (bool, error) {
		return evaluate[bool](ctx, "Boolean(await ("+expression+"))")
	})
}

// repeat tries something until it succeeds.
func repeat(t *testing.T, tab context.Context, what string, try func(context.Context) (bool, error)) {
	t.Helper()
	ctx, cancel := context.WithTimeout(tab, Patience)
	defer cancel()
	for {
		done, err := try(ctx)
		if done {
			return
		}
		select {
		case <-ctx.Done():
			if tab.Err() != nil {
				t.Fatalf("the tab is closed: %s", what)
			}
			t.Fatalf("%s: no success in %s (last error: %v)\nthe page shows:\n%s\nand complained: %q",
				what, Patience, err, visibleText(tab), complaints(tab))
		case <-time.After(every):
		}
	}
}

// Value evaluates an expression in the page, awaits it, and decodes its JSON into T.
func Value[T any](t *testing.T, tab context.Context, expression string) T {
	t.Helper()
	ctx, cancel := context.WithTimeout(tab, Patience)
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

// visibleText is the text of the page that a failure shows.
func visibleText(tab context.Context) string {
	ctx, cancel := context.WithTimeout(tab, time.Second)
	defer cancel()
	text, err := evaluate[string](ctx, "document.body.innerText")
	if err != nil {
		return err.Error()
	}
	return text
}
