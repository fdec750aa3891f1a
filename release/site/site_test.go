package main

import (
	"net/url"
	"os"
	"path"
	"path/filepath"
	"regexp"
	"strings"
	"sync"
	"testing"

	"golang.org/x/net/html"

	"github.com/wirepost/wirepost/internal/browser"
)

// out is the directory of the site that the tests look at.
var out string

func TestMain(m *testing.M) {
	dir, err := os.MkdirTemp("", "wirepost-site")
	if err != nil {
		panic(err)
	}
	out = filepath.Join(dir, "site")
	status := browser.With(m).Run()
	os.RemoveAll(dir) //nolint:errcheck // it is temporary
	os.Exit(status)
}

var built = sync.OnceValue(func() error { return build("../..", out) })

// document is a file of the site.
type document struct {
	path  string
	root  *html.Node
	ids   map[string]bool
	links []string
}

// documents parses all pages, by path.
func documents(t *testing.T) map[string]*document {
	t.Helper()
	if err := built(); err != nil {
		t.Fatal(err)
	}
	all := map[string]*document{}
	err := filepath.WalkDir(out, func(file string, _ os.DirEntry, err error) error {
		if err != nil || path.Ext(file) != ".html" {
			return err
		}
		name, err := filepath.Rel(out, file)
		if err != nil {
			return err
		}
		f, err := os.Open(file)
		if err != nil {
			return err
		}
		defer f.Close() //nolint:errcheck // it is read only
		d := &document{path: filepath.ToSlash(name), ids: map[string]bool{}}
		all[d.path] = d
		d.root, err = html.Parse(f)
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return all
}

func attribute(n *html.Node, name string) string {
	for _, a := range n.Attr {
		if a.Key == name {
			return a.Val
		}
	}
	return ""
}

// TestLinks checks that every link within the site leads to a page and a heading, and that
// nothing is loaded from elsewhere.
func TestLinks(t *testing.T) {
	t.Parallel()
	all := documents(t)
	if len(all) < 2*len(languages)*25 {
		t.Fatalf("the site has %d pages", len(all))
	}
	for _, d := range all {
		for n := range d.root.Descendants() {
			if id := attribute(n, "id"); id != "" {
				if d.ids[id] {
					t.Errorf("%s has two elements with the id %q", d.path, id)
				}
				d.ids[id] = true
			}
			for _, name := range []string{"href", "src", "data-index"} {
				link := attribute(n, name)
				if link == "" {
					continue
				}
				if n.Data != "a" && strings.Contains(link, ":") {
					t.Errorf("%s loads %s", d.path, link)
				}
				d.links = append(d.links, link)
			}
		}
	}
	for _, d := range all {
		for _, link := range d.links {
			if problem := follow(all, d, link); problem != "" {
				t.Errorf("%s links to %s: %s", d.path, link, problem)
			}
		}
	}
}

// follow says what is wrong with a link.
func follow(all map[string]*document, from *document, link string) string {
	u, err := url.Parse(link)
	if err != nil {
		return err.Error()
	}
	if u.Scheme != "" || u.Host != "" {
		return ""
	}
	target := from.path
	if u.Path != "" {
		target = path.Join(path.Dir(from.path), u.Path)
	}
	if _, err := os.Stat(filepath.Join(out, target)); err != nil {
		return "there is no such file"
	}
	if u.Fragment != "" && !all[target].ids[u.Fragment] {
		return "there is no such heading"
	}
	return ""
}

// TestReaches checks that every page can be reached from the start page, and that the
// switch leads to the same page in the other language and back.
func TestReaches(t *testing.T) {
	t.Parallel()
	all := documents(t)
	reached := map[string]bool{"index.html": true}
	for queue := []string{"index.html"}; len(queue) > 0; queue = queue[1:] {
		for n := range all[queue[0]].root.Descendants() {
			u, err := url.Parse(attribute(n, "href"))
			if n.Data != "a" || err != nil || u.Host != "" || path.Ext(u.Path) != ".html" {
				continue
			}
			to := path.Join(path.Dir(queue[0]), u.Path)
			if attribute(n, "class") == "other" && strings.TrimPrefix(to, "zh-CN/") != strings.TrimPrefix(queue[0], "zh-CN/") {
				t.Errorf("%s switches to %s", queue[0], to)
			}
			if !reached[to] {
				reached[to] = true
				queue = append(queue, to)
			}
		}
	}
	for name := range all {
		if !reached[name] {
			t.Errorf("no page links to %s", name)
		}
	}
}

// TestAssets checks that style and scripts load nothing from elsewhere.
func TestAssets(t *testing.T) {
	t.Parallel()
	documents(t)
	for _, name := range []string{"site.css", "site.js", "search.js"} {
		data, err := os.ReadFile(filepath.Join(out, "assets", name))
		if err != nil {
			t.Fatal(err)
		}
		if m := regexp.MustCompile(`https?:|url\(|@import|innerHTML|fetch\(|XMLHttpRequest`).Find(data); m != nil {
			t.Errorf("%s has %s", name, m)
		}
	}
}

// TestMistakes checks that documents with mistakes are refused by name.
func TestMistakes(t *testing.T) {
	t.Parallel()
	for want, text := range map[string]string{
		"docs/a.md: the link b.md: ":    "# A\n\n[b](b.md)\n",
		"docs/a.md: the image b.png: ":  "# A\n\n![b](b.png)\n",
		`the language "klingon" of a `:  "# A\n\n```klingon\nx\n```\n",
		"docs/other.md is in no topic:": "",
	} {
		root := t.TempDir()
		s := &site{root: root, nav: map[string][]section{}}
		err := os.MkdirAll(filepath.Join(root, "docs"), 0o755)
		for name, text := range map[string]string{"docs/a.md": text, "docs/other.md": "# Other\n"} {
			if err == nil {
				err = os.WriteFile(filepath.Join(root, name), []byte(text), 0o644)
			}
		}
		if err != nil {
			t.Fatal(err)
		}
		if _, err = s.add(doc("a")); err == nil {
			if err = s.renderAll(); err == nil {
				err = s.complete()
			}
		}
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("the error is %v, want %q", err, want)
		}
	}
}
