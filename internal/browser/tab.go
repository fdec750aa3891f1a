package browser

import (
	"context"
	"fmt"
	"regexp"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/chromedp/cdproto/cdp"
	"github.com/chromedp/cdproto/emulation"
	"github.com/chromedp/cdproto/log"
	"github.com/chromedp/cdproto/runtime"
	"github.com/chromedp/cdproto/target"
	"github.com/chromedp/chromedp"
)

// Patience limits every wait of a test. It only stops tests that hang: a busy
// machine may need most of a minute for what otherwise takes a moment.
const Patience = 3 * time.Minute

// Open opens a tab with its own profile. It is closed when the test ends.
func Open(t *testing.T) context.Context {
	t.Helper()
	return open(t, chromedp.WithNewBrowserContext())
}

// OpenBeside opens another tab in the profile of tab.
func OpenBeside(t *testing.T, tab context.Context) context.Context {
	t.Helper()
	return open(t, chromedp.WithExistingBrowserContext(chromedp.FromContext(tab).BrowserContextID))
}

// OpenFirst opens a tab in the browser's first profile, where pages of every origin may show
// notifications: in the others the browser ignores clicks on them.
func OpenFirst(t *testing.T) context.Context {
	t.Helper()
	return open(t)
}

func open(t *testing.T, o ...chromedp.ContextOption) context.Context {
	t.Helper()
	if testing.Short() {
		t.Skip("-short: no browser")
	}
	browser, err := shared.start()
	if err != nil {
		t.Fatal(err)
	}
	n := &notes{}
	ctx, closeTab := chromedp.NewContext(browser, append(o, chromedp.WithListener(n.hear))...)
	ctx = context.WithValue(ctx, notesKey{}, n)
	// This binds the tab to ctx, so it has no deadline.
	if err := chromedp.Do(ctx, focused); err != nil {
		closeTab()
		t.Fatalf("open a tab: %v", err)
	}
	t.Cleanup(func() {
		if t.Failed() {
			Screenshot(t, ctx, "failed")
		}
		closeTab()
		for _, message := range n.unexpected() {
			t.Errorf("the page: %s", message)
		}
	})
	return ctx
}

// focused makes a tab behave like the one in front, even if others are open.
func focused(ctx context.Context, tab *chromedp.Target) (chromedp.Void, error) {
	_, err := cdp.Call(ctx, tab, emulation.SetFocusEmulationEnabled, emulation.SetFocusEmulationEnabledParams{Enabled: true})
	return chromedp.Void{}, err
}

// Run runs actions on a tab. An action that fails or times out fails the test.
func Run(t *testing.T, tab context.Context, actions ...chromedp.Action[chromedp.Void]) {
	t.Helper()
	ctx, cancel := context.WithTimeout(tab, Patience)
	defer cancel()
	if err := chromedp.Do(ctx, actions...); err != nil {
		t.Fatal(err)
	}
}

// Visit loads a page.
func Visit(t *testing.T, tab context.Context, url string) {
	t.Helper()
	Run(t, tab, chromedp.Navigate(url))
}

// Pages returns the URLs of the pages of all tabs, also of those that the tests did not open.
func Pages(t *testing.T, tab context.Context) (urls []string) {
	t.Helper()
	for _, page := range pages(t, tab) {
		urls = append(urls, page.URL)
	}
	return urls
}

func pages(t *testing.T, tab context.Context) []*target.Info {
	t.Helper()
	all, err := chromedp.Targets(tab)
	if err != nil {
		t.Fatal(err)
	}
	return slices.DeleteFunc(all, func(of *target.Info) bool { return of.Type != "page" })
}

// WaitPage waits until some tab has loaded this URL. Before that, service workers do not
// find the page.
func WaitPage(t *testing.T, tab context.Context, url string) {
	t.Helper()
	opened := map[target.ID]context.Context{chromedp.FromContext(tab).Target.TargetID: tab}
	repeat(t, tab, "page "+url, func(ctx context.Context) (done bool, err error) {
		for _, page := range pages(t, tab) {
			if page.URL != url {
				continue
			}
			if opened[page.TargetID] == nil {
				var closePage func()
				opened[page.TargetID], closePage = chromedp.NewContext(tab, chromedp.WithTargetID(page.TargetID))
				t.Cleanup(closePage)
			}
			if done, err = evaluate[bool](opened[page.TargetID], fmt.Sprintf(`location.href === %q && document.readyState === "complete"`, url)); done {
				return true, nil
			}
		}
		return false, err
	})
}

// Expect declares expected errors of the page: messages that match the regular
// expression do not fail the test.
func Expect(tab context.Context, pattern string) {
	n := notesOf(tab)
	n.mu.Lock()
	defer n.mu.Unlock()
	n.mu.expected = append(n.mu.expected, regexp.MustCompile(pattern))
}

// complaints returns the page's errors so far, including expected ones.
func complaints(tab context.Context) []string {
	n := notesOf(tab)
	n.mu.Lock()
	defer n.mu.Unlock()
	return slices.Clone(n.mu.messages)
}

// notes are the errors of a tab.
type notes struct {
	mu struct {
		sync.Mutex
		messages []string
		expected []*regexp.Regexp
	}
}

type notesKey struct{}

func notesOf(tab context.Context) *notes { return tab.Value(notesKey{}).(*notes) }

// hear handles an event of the tab.
func (n *notes) hear(event any) {
	switch e := event.(type) {
	case *runtime.EventExceptionThrown:
		n.add("uncaught: " + thrown(e.ExceptionDetails))
	case *runtime.EventConsoleAPICalled:
		if e.Type == runtime.ConsoleAPICalledTypeError || e.Type == runtime.ConsoleAPICalledTypeAssert {
			n.add("console." + string(e.Type) + ": " + words(e.Args))
		}
	case *log.EventEntryAdded:
		if e.Entry.Level == log.EntryLevelError {
			n.add(strings.TrimSpace(fmt.Sprintf("%s: %s %s", e.Entry.Source, e.Entry.Text, e.Entry.URL)))
		}
	}
}

// thrown formats an exception, with its stack if it is an Error.
func thrown(d *runtime.ExceptionDetails) string {
	if d.Exception != nil {
		return words([]*runtime.RemoteObject{d.Exception})
	}
	return d.Text
}

func words(args []*runtime.RemoteObject) string {
	var list []string
	for _, a := range args {
		if a.Description != "" {
			list = append(list, a.Description)
		} else {
			list = append(list, strings.Trim(string(a.Value), `"`))
		}
	}
	return strings.Join(list, " ")
}

func (n *notes) add(message string) {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.mu.messages = append(n.mu.messages, message)
}

func (n *notes) unexpected() (list []string) {
	n.mu.Lock()
	defer n.mu.Unlock()
	for _, message := range n.mu.messages {
		if !slices.ContainsFunc(n.mu.expected, func(r *regexp.Regexp) bool { return r.MatchString(message) }) {
			list = append(list, message)
		}
	}
	return list
}
