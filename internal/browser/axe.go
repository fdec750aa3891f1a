package browser

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"testing"

	"github.com/chromedp/cdproto/cdp"
	"github.com/chromedp/cdproto/emulation"
	"github.com/chromedp/chromedp"
)

// Violations checks the page with axe-core against WCAG 2.2, levels A and AA, and its best
// practices, and returns what is wrong: the rule, the element, and why. It is the script that
// `npm ci` installs in js, as `make test` does.
func Violations(t *testing.T, tab context.Context) []string {
	t.Helper()
	script, err := axeScript()
	if err != nil {
		t.Fatal(err)
	}
	Run(t, tab, chromedp.Evaluate[chromedp.Void]("if (!window.axe) {"+script+"\n}"))
	return Value[[]string](t, tab, `(scrollTo({ top: 0, behavior: "instant" }), axe).run(document, { resultTypes: ["violations"], runOnly: ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa", "best-practice"] })
		.then(({ violations }) => violations.flatMap((v) => v.nodes.map((n) => v.id + ": " + n.html.slice(0, 160) + " " + n.any.concat(n.all, n.none).map((c) => c.message).join("; "))))`)
}

// axeScript finds the script from a package of this module.
func axeScript() (string, error) {
	dir, err := os.Getwd()
	if err != nil {
		return "", err
	}
	for {
		if _, err := os.Stat(filepath.Join(dir, "js", "package.json")); err == nil {
			break
		}
		if dir == filepath.Dir(dir) {
			return "", errors.New("there is no js/package.json above the test")
		}
		dir = filepath.Dir(dir)
	}
	text, err := os.ReadFile(filepath.Join(dir, "js", "node_modules", "axe-core", "axe.min.js"))
	if errors.Is(err, os.ErrNotExist) {
		return "", errors.New("this test needs axe-core, which `npm ci` installs in js (`make test` does so by itself)")
	}
	return string(text), err
}

// Language makes the browser prefer a language, from the next page on.
func Language(t *testing.T, tab context.Context, tag string) {
	t.Helper()
	agent := Value[string](t, tab, "navigator.userAgent")
	Run(t, tab, chromedp.Func(func(ctx context.Context, tab *chromedp.Target) error {
		_, err := cdp.Call(ctx, tab, emulation.SetUserAgentOverride, emulation.SetUserAgentOverrideParams{UserAgent: agent, AcceptLanguage: tag})
		return err
	}))
}
