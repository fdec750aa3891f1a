package main

import (
	"net/url"
	"path/filepath"
	"strings"
	"testing"

	"github.com/wirepost/wirepost/internal/browser"
)

// address returns the URL of a file on disk.
func address(path string) string {
	return (&url.URL{Scheme: "file", Path: filepath.ToSlash(filepath.Join(out, path))}).String()
}

// TestSearch searches in both languages, in pages opened from disk.
func TestSearch(t *testing.T) {
	t.Parallel()
	documents(t)
	for name, test := range map[string]struct{ page, query, found string }{
		"English":        {"index.html", "drain delay", "configuration.html#"},
		"a heading":      {"decisions/0001-log-and-cursor.html", "close codes", "protocol.html#close-codes"},
		"a guide":        {"index.html", "unread count", "offline-and-unread.html"},
		"a decision":     {"index.html", "users follow the log", "decisions/0025-users-follow-the-log.html"},
		"Chinese":        {"zh-CN/install.html", "未读数", "offline-and-unread.html"},
		"Chinese phrase": {"zh-CN/index.html", "离线用户的未读消息", "offline-and-unread.html"},
		"a flag":         {"zh-CN/decisions.html", "--allow-origin", "configuration.html"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			tab := browser.Open(t)
			browser.Visit(t, tab, address(test.page))
			browser.Click(t, tab, "#site-search")
			browser.Fill(t, tab, "#site-search", test.query)
			browser.Wait(t, tab, `document.querySelector("#site-results a")`)
			links := browser.Value[[]string](t, tab, `Array.from(document.querySelectorAll("#site-results a"), (a) => a.href)`)
			at := -1
			for i, link := range links {
				if strings.Contains(link, "/decisions/") && !strings.Contains(test.found, "decisions/") {
					break // a guide comes first
				}
				if strings.Contains(link, test.found) && strings.Contains(link, "/zh-CN/") == strings.HasPrefix(test.page, "zh-CN/") {
					at = i
					break
				}
			}
			if at < 0 || at > 4 {
				t.Errorf("%s is number %d of the results %q", test.found, at, links)
			}
			browser.Screenshot(t, tab, "site-search")
			browser.Click(t, tab, "#site-results a")
			browser.Wait(t, tab, `location.href.split("#")[0] === `+"`"+strings.Split(links[0], "#")[0]+"`"+` && document.querySelector("article h1")`)
		})
	}
}

// TestScreens looks at every page on a phone and on a desktop: nothing is wider than the
// screen, and nothing of the text is hidden below something else.
func TestScreens(t *testing.T) {
	t.Parallel()
	all := documents(t)
	tab := browser.Open(t)
	for _, width := range []int64{390, 820, 1280} {
		browser.Device(t, tab, width, 844)
		for name := range all {
			if strings.Contains(name, "decisions/") || width == 820 && !strings.HasSuffix(name, "cluster.html") {
				continue
			}
			browser.Visit(t, tab, address(name))
			if wide := browser.Value[int64](t, tab, `document.documentElement.scrollWidth`); wide > width {
				t.Errorf("%s is %d pixels wide on a screen of %d", name, wide, width)
			}
		}
	}
}
