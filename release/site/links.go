package main

import (
	"fmt"
	"os"
	"path"
	"path/filepath"
	"strings"

	"github.com/yuin/goldmark/ast"
)

// repository is where the files are that are not pages.
const repository = "https://github.com/wirepost/wirepost"

// apiSource is the description of the HTTP API, which the site has a copy of.
const apiSource, apiPath = "httpapi/openapi.json", "openapi.json"

// relink lets the links of a page lead to other pages of the site, or to the repository.
func (s *site) relink(p *page, document ast.Node, source []byte) error {
	return ast.Walk(document, func(n ast.Node, entering bool) (ast.WalkStatus, error) {
		if !entering {
			return ast.WalkContinue, nil
		}
		switch n := n.(type) {
		case *ast.Link:
			return ast.WalkContinue, s.relinkOne(p, n, source)
		case *ast.Image:
			return ast.WalkStop, fmt.Errorf("the image %s: the site has no images", n.Destination)
		}
		return ast.WalkContinue, nil
	})
}

func (s *site) relinkOne(p *page, link *ast.Link, source []byte) error {
	destination := string(link.Destination)
	if strings.Contains(destination, ":") || strings.HasPrefix(destination, "#") {
		return nil
	}
	file, anchor, found := strings.Cut(destination, "#")
	if found {
		anchor = "#" + anchor
	}
	name := path.Join(path.Dir(p.source), file)
	if to := s.pageOf(name, p.language); to != nil {
		link.Destination = []byte(relative(p.path, to.path) + anchor)
		// A link that is named like a file gets the name of the page.
		if words, ok := link.FirstChild().(*ast.Text); ok && strings.HasSuffix(string(words.Value(source)), ".md") {
			link.ReplaceChild(link, words, ast.NewString([]byte(to.Label)))
		}
		return nil
	}
	to, err := s.file(name)
	if err != nil {
		return fmt.Errorf("the link %s: %w", destination, err)
	}
	link.Destination = []byte(to + anchor)
	return nil
}

// file returns the address of a file in the repository.
func (s *site) file(name string) (string, error) {
	info, err := os.Stat(filepath.Join(s.root, name))
	if err != nil {
		return "", err
	}
	kind := "blob"
	if info.IsDir() {
		kind = "tree"
	}
	return fmt.Sprintf("%s/%s/main/%s", repository, kind, name), nil
}

// pageOf returns the page of a document. If it is in two, it is the one with the same
// navigation.
func (s *site) pageOf(source, language string) (found *page) {
	for _, p := range s.pages {
		if p.source == source && (found == nil || p.language == language) {
			found = p
		}
	}
	return found
}

// relative returns the link from one file of the site to another.
func relative(from, to string) string {
	return strings.Repeat("../", strings.Count(from, "/")) + to
}
