package main

import (
	"fmt"
	"html/template"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strings"
)

// site is the pages and the navigation.
type site struct {
	root  string
	pages []*page
	// nav has the topics of a language.
	nav map[string][]section
}

// section is a topic of the navigation in one language.
type section struct {
	Title string
	Pages []*page
}

// page is a page of the site.
type page struct {
	source   string // "docs/install.md"
	path     string // "zh-CN/install.html"
	language string // of the navigation
	text     string // language of the text
	markdown string
	Label    string // in the navigation
	other    *page  // the same in the other language

	title    string
	body     template.HTML
	contents []heading
	passages []passage // for the search
}

// load reads all pages.
func load(root string) (*site, error) {
	s := &site{root: root, nav: map[string][]section{}}
	for _, t := range topics {
		for _, language := range languages {
			s.nav[language] = append(s.nav[language], section{Title: t.title[language]})
		}
		for _, e := range t.pages {
			pair, err := s.add(e)
			if err != nil {
				return nil, err
			}
			for i, language := range languages {
				last := &s.nav[language][len(s.nav[language])-1]
				last.Pages = append(last.Pages, pair[i])
			}
		}
	}
	if err := s.addDecisions(); err != nil {
		return nil, err
	}
	return s, s.complete()
}

// add reads a page in both languages. The navigation in Chinese has an English page where
// there is no other.
func (s *site) add(e entry) (pair [2]*page, err error) {
	for i, language := range languages {
		p := &page{source: e.source, language: language, text: english, Label: e.title[language]}
		if language == chinese {
			if translated := inChinese(e.source); exists(s.root, translated) {
				p.source, p.text = translated, chinese
			}
		}
		p.path = pathOf(e.source, language)
		if p.markdown, err = s.read(p.source); err != nil {
			return pair, err
		}
		heading, _, _ := strings.Cut(p.markdown, "\n")
		p.title = strings.TrimPrefix(heading, "# ")
		if p.Label == "" {
			p.Label = p.title
		}
		pair[i] = p
		s.pages = append(s.pages, p)
	}
	pair[0].other, pair[1].other = pair[1], pair[0]
	return pair, nil
}

// addDecisions adds the pages below the list of decisions, which are not in the navigation.
func (s *site) addDecisions() error {
	for _, name := range s.decisions() {
		if _, err := s.add(entry{source: name}); err != nil {
			return err
		}
	}
	return nil
}

func (s *site) decisions() []string { return s.glob("docs/decisions/*.md") }

func (s *site) glob(pattern string) (names []string) {
	found, _ := filepath.Glob(filepath.Join(s.root, pattern)) // the patterns are valid
	for _, name := range found {
		names = append(names, path.Join(path.Dir(pattern), filepath.Base(name)))
	}
	return names
}

// read returns the Markdown of a page. The list of decisions is written here.
func (s *site) read(source string) (string, error) {
	if source != "docs/decisions" {
		data, err := os.ReadFile(filepath.Join(s.root, source))
		return string(data), err
	}
	var list strings.Builder
	list.WriteString("# Decisions\n\nThe reasons for the wire format, the layout of keys and the guarantees.\n\n")
	for _, name := range s.decisions() {
		text, err := s.read(name)
		if err != nil {
			return "", err
		}
		heading, _, _ := strings.Cut(text, "\n")
		fmt.Fprintf(&list, "- [%s](decisions/%s)\n", strings.TrimPrefix(heading, "# "), path.Base(name))
	}
	return list.String(), nil
}

// complete checks that every document is a page.
func (s *site) complete() error {
	for _, name := range append(s.glob("docs/*.md"), s.glob("docs/zh-CN/*.md")...) {
		if !slices.ContainsFunc(s.pages, func(p *page) bool { return p.source == name }) {
			return fmt.Errorf("%s is in no topic: add it to release/site/topics.go", name)
		}
	}
	return nil
}

// inChinese returns the name of the Chinese version of a document.
func inChinese(source string) string {
	if path.Dir(source) == "docs" {
		return "docs/zh-CN/" + path.Base(source)
	}
	return strings.TrimSuffix(source, ".md") + ".zh-CN.md"
}

// pathOf returns the path of a page in the site.
func pathOf(source, language string) string {
	name := strings.TrimSuffix(source, ".md")
	switch {
	case name == "README":
		name = "index"
	case path.Base(name) == "README": // examples/README
		name = path.Dir(name)
	default:
		name = strings.ToLower(strings.TrimPrefix(name, "docs/"))
	}
	if language != languages[0] {
		name = language + "/" + name
	}
	return name + ".html"
}

func exists(root, name string) bool {
	_, err := os.Stat(filepath.Join(root, name))
	return err == nil
}
