package main

import (
	"bytes"
	"embed"
	"encoding/json"
	"html/template"
	"os"
	"path"
	"path/filepath"
)

//go:embed static
var static embed.FS

var frame = template.Must(template.ParseFS(static, "static/page.html"))

// view is what the template shows.
type view struct {
	*page
	Title, Home, Source, API string
	Language, TextLanguage   string
	Words                    map[string]string
	Body                     template.HTML
	Contents                 []heading
	Nav                      []section
}

// To returns a link to a file of the site.
func (v view) To(path string) string { return relative(v.path, path) }

// Link returns a link to a page.
func (v view) Link(p *page) string { return relative(v.path, p.path) }

// Other returns a link to the page in the other language.
func (v view) Other() string { return v.Link(v.other) }

// OtherLanguage returns the language of that page.
func (v view) OtherLanguage() string { return v.other.language }

// Current reports whether a page is the one shown.
func (v view) Current(p *page) bool { return p == v.page }

// write writes the site to a directory.
func (s *site) write(out string) error {
	if err := os.RemoveAll(out); err != nil {
		return err
	}
	for _, p := range s.pages {
		var html bytes.Buffer
		if err := frame.Execute(&html, s.view(p)); err != nil {
			return err
		}
		if err := writeFile(out, p.path, html.Bytes()); err != nil {
			return err
		}
	}
	for _, language := range languages {
		index, err := s.index(language)
		if err != nil {
			return err
		}
		if err := writeFile(out, "assets/search-"+language+".js", index); err != nil {
			return err
		}
	}
	for _, name := range []string{"site.css", "site.js", "search.js", "icon.svg"} {
		data, err := static.ReadFile(path.Join("static", name))
		if err != nil {
			return err
		}
		if err := writeFile(out, "assets/"+name, data); err != nil {
			return err
		}
	}
	api, err := os.ReadFile(filepath.Join(s.root, apiSource))
	if err != nil {
		return err
	}
	return writeFile(out, apiPath, api)
}

func (s *site) view(p *page) view {
	home := s.nav[p.language][0].Pages[0]
	v := view{
		page: p, Title: p.title, Home: relative(p.path, home.path),
		Language: p.language, TextLanguage: p.text, Words: words[p.language],
		Body: p.body, Contents: p.contents, Nav: s.nav[p.language],
		Source: repository + "/blob/main/" + p.source,
	}
	if p != home {
		v.Title += " · Wirepost"
	}
	if path.Base(p.path) == "http-api.html" {
		v.API = relative(p.path, apiPath)
	}
	return v
}

func writeFile(out, name string, data []byte) error {
	file := filepath.Join(out, filepath.FromSlash(name))
	if err := os.MkdirAll(filepath.Dir(file), 0o755); err != nil {
		return err
	}
	return os.WriteFile(file, data, 0o644)
}

// index returns a script with everything that the search looks in. A page that is opened
// from disk may load scripts, and no other files. Decisions and the changelog are left to
// the English index.
func (s *site) index(language string) ([]byte, error) {
	list := [][4]string{} // path with anchor, page, heading, text
	for _, p := range s.pages {
		if p.language != language || p.text != language {
			continue
		}
		for _, found := range p.passages {
			to, title := p.path, found.title
			if found.id != "" {
				to += "#" + found.id
			}
			list = append(list, [4]string{to, p.Label, title, found.text})
		}
	}
	var script bytes.Buffer
	script.WriteString("var searchIndex = ")
	err := json.NewEncoder(&script).Encode(list)
	return script.Bytes(), err
}
