// Package browser runs tests in a real Chromium, by way of chromedp.
//
// A test opens a tab, which is a chromedp context, so that chromedp's own actions
// work on it too:
//
//	func TestMain(m *testing.M) { goleak.VerifyTestMain(browser.With(m)) }
//
//	func TestPage(t *testing.T) {
//		tab := browser.Open(t)
//		browser.Visit(t, tab, url)
//		browser.Click(t, tab, "#open")
//		browser.Wait(t, tab, `document.querySelector("#state").textContent === "open"`)
//		browser.Screenshot(t, tab, "open")
//	}
//
// All tests of a binary share one Chromium, which starts with the first tab and
// ends in TestMain; each Open is a profile of its own, with its own cookies and
// storage. An uncaught exception, an error on the page's console, a
// request that failed and a violation of the page's content security policy
// fail the test, unless it said with Expect that it wants one.
//
// Without Chromium the tests fail: `make chromium` installs it, and
// `make test` does so by itself. `go test -short` leaves them out. The variable
// CHROMIUM names another browser than the first one found in PATH.
package browser

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"sync"
	"testing"

	"github.com/chromedp/chromedp"
)

// names are the names of the browser in common distributions.
var names = []string{"chromium", "chromium-browser", "google-chrome", "google-chrome-stable"}

var errNone = errors.New("these tests need Chromium, which is not in PATH: " +
	"`make chromium` installs it (`make test` does too), the variable CHROMIUM names one elsewhere, and `go test -short` leaves them out")

// shared is the browser of this test binary.
var shared process

// process is a Chromium that starts when it is first used.
type process struct {
	once    sync.Once
	ctx     context.Context // of its first, empty tab; it ends with the process
	desktop *desktop        // if hasDesktop
	stop    func()
	err     error
}

// start returns the parent context of tabs.
func (p *process) start() (context.Context, error) {
	p.once.Do(func() {
		path, err := find()
		if err != nil {
			p.err = err
			return
		}
		o := options(path)
		if hasDesktop {
			if p.desktop, err = startDesktop(); err != nil {
				p.err = err
				return
			}
			o = append(o, chromedp.Env(p.desktop.environment()), chromedp.UserDataDir(p.desktop.profile()))
		}
		allocator, release := chromedp.NewExecAllocator(context.Background(), o...)
		ctx, cancel := chromedp.NewContext(allocator)
		p.ctx, p.stop = ctx, func() {
			cancel()
			release()
			if p.desktop != nil {
				p.desktop.stop()
			}
		}
		// The process lives as long as the context that runs the first action.
		if err := chromedp.Do(ctx); err != nil {
			p.err = fmt.Errorf("start %s: %w", path, err)
		}
	})
	return p.ctx, p.err
}

// With wraps m and stops the browser afterwards. It is for TestMain.
func With(m *testing.M) interface{ Run() int } { return suite{m} }

type suite struct{ m *testing.M }

func (s suite) Run() int {
	code := s.m.Run()
	if shared.stop != nil {
		shared.stop()
	}
	return code
}

// find searches for the browser.
func find() (string, error) {
	if path := os.Getenv("CHROMIUM"); path != "" {
		return path, nil
	}
	for _, name := range names {
		if path, err := exec.LookPath(name); err == nil {
			return path, nil
		}
	}
	return "", errNone
}

// options start a browser that is quiet and small, and connects only to the page's
// server. Its profile is a temporary directory that chromedp removes.
func options(path string) []chromedp.ExecAllocatorOption {
	o := []chromedp.ExecAllocatorOption{
		chromedp.ExecPath(path), chromedp.Headless, chromedp.NoFirstRun, chromedp.NoDefaultBrowserCheck,
		chromedp.WindowSize(1280, 900), chromedp.WSURLReadTimeout(Patience),
		chromedp.Flag("force-color-profile", "srgb"),
		chromedp.Flag("disable-features", "Translate,OptimizationHints,MediaRouter,DialMediaRouteProvider"),
	}
	for _, flag := range []string{
		"no-sandbox", // it needs rights that containers don't give; these tests load their own pages only
		"disable-gpu", "disable-dev-shm-usage", "disable-quic",
		"disable-background-networking", "disable-component-update", "disable-sync",
		"disable-domain-reliability", "disable-default-apps", "disable-extensions", "disable-breakpad",
		"metrics-recording-only", "no-pings",
		// Otherwise clicks and keys are dropped until the first frame of a page is on the
		// screen, which on a busy machine may be long after its scripts have run.
		"allow-pre-commit-input",
		// Background tabs must not be slowed down.
		"disable-background-timer-throttling", "disable-backgrounding-occluded-windows", "disable-renderer-backgrounding",
	} {
		o = append(o, chromedp.Flag(flag, true))
	}
	return o
}
