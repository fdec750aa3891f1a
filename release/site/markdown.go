package main

import (
	"bytes"
	"fmt"
	"html/template"
	"regexp"
	"strings"

	"github.com/yuin/goldmark"
	"github.com/yuin/goldmark/ast"
	"github.com/yuin/goldmark/extension"
	"github.com/yuin/goldmark/parser"
	"github.com/yuin/goldmark/renderer"
	"github.com/yuin/goldmark/text"
	"github.com/yuin/goldmark/util"
)

// heading is a heading in the contents of a page.
type heading struct {
	Level     int
	ID, Title string
}

// renderAll makes the HTML of all pages.
func (s *site) renderAll() error {
	for _, p := range s.pages {
		if err := s.render(p); err != nil {
			return fmt.Errorf("%s: %w", p.source, err)
		}
	}
	return nil
}

// render makes the HTML of a page, its contents and its passages.
func (s *site) render(p *page) error {
	source := []byte(withoutLanguageLine(p.markdown))
	md := goldmark.New(
		goldmark.WithExtensions(extension.GFM),
		goldmark.WithParserOptions(parser.WithAutoHeadingID()),
		goldmark.WithRendererOptions(renderer.WithNodeRenderers(util.Prioritized(blocks{p.language}, 100))),
	)
	document := md.Parser().Parse(text.NewReader(source), parser.WithContext(parser.NewContext(parser.WithIDs(anchors{}))))
	removeContents(document)
	if err := s.relink(p, document, source); err != nil {
		return err
	}
	p.contents, p.passages = nil, nil
	collect(p, document, source)
	var html bytes.Buffer
	if err := md.Renderer().Render(&html, source, document); err != nil {
		return err
	}
	p.body = template.HTML(html.String())
	return nil
}

// withoutLanguageLine removes the links to the other language: every page of the site has
// one in its header.
func withoutLanguageLine(markdown string) string {
	lines := strings.SplitN(markdown, "\n", 4)
	if len(lines) == 4 && (strings.HasPrefix(lines[2], "English · [") || strings.HasPrefix(lines[2], "[English](")) {
		lines[2] = ""
	}
	return strings.Join(lines, "\n")
}

// anchors names headings as GitHub does, so that links work there and here.
type anchors map[string]int

var notInAnchors = regexp.MustCompile(`[^\p{L}\p{N} _-]`)

func (a anchors) Generate(title []byte, _ ast.NodeKind) []byte {
	id := strings.ReplaceAll(notInAnchors.ReplaceAllString(strings.ToLower(string(title)), ""), " ", "-")
	n := a[id]
	a[id]++
	if n > 0 {
		id = fmt.Sprintf("%s-%d", id, n)
	}
	return []byte(id)
}

func (a anchors) Put([]byte) {}

// removeContents removes a list of links to the page's own headings, which the site shows
// beside the text.
func removeContents(document ast.Node) {
	for n := document.FirstChild(); n != nil; n = n.NextSibling() {
		if _, ok := n.(*ast.List); ok && isContents(n) {
			document.RemoveChild(document, n)
			return
		}
	}
}

func isContents(list ast.Node) bool {
	only := true
	ast.Walk(list, func(n ast.Node, entering bool) (ast.WalkStatus, error) { //nolint:errcheck // it returns none
		switch n := n.(type) {
		case *ast.Link:
			only = only && strings.HasPrefix(string(n.Destination), "#")
			return ast.WalkSkipChildren, nil
		case *ast.Text, *ast.CodeSpan, *ast.Emphasis:
			only = false
		}
		return ast.WalkContinue, nil
	})
	return only
}

// passage is what the search finds: the text below a heading.
type passage struct {
	id, title, text string
}

// collect lists the headings of a page and the texts below them.
func collect(p *page, document ast.Node, source []byte) {
	var words strings.Builder
	current := passage{title: p.title}
	finish := func() {
		current.text = strings.Join(strings.Fields(words.String()), " ")
		p.passages = append(p.passages, current)
		words.Reset()
	}
	for n := document.FirstChild(); n != nil; n = n.NextSibling() {
		h, ok := n.(*ast.Heading)
		if !ok {
			plain(&words, n, source)
			continue
		}
		var title strings.Builder
		plain(&title, h, source)
		name := strings.TrimSpace(title.String())
		if h.Level == 1 {
			p.title, current.title = name, name
			continue
		}
		finish()
		id, _ := h.AttributeString("id")
		current = passage{id: string(id.([]byte)), title: name}
		if h.Level <= 3 {
			p.contents = append(p.contents, heading{h.Level, current.id, name})
		}
	}
	finish()
}

// plain writes the text of a node, without markup.
func plain(b *strings.Builder, node ast.Node, source []byte) {
	ast.Walk(node, func(n ast.Node, entering bool) (ast.WalkStatus, error) { //nolint:errcheck // it returns none
		if !entering {
			if n.Type() == ast.TypeBlock {
				b.WriteByte(' ')
			}
			return ast.WalkContinue, nil
		}
		switch n := n.(type) {
		case *ast.Text:
			b.Write(n.Value(source))
			if n.SoftLineBreak() {
				b.WriteByte(' ')
			}
		case *ast.String:
			b.Write(n.Value)
		case *ast.AutoLink:
			b.Write(n.Label(source))
		case *ast.FencedCodeBlock, *ast.CodeBlock:
			b.Write(n.Lines().Value(source))
		}
		return ast.WalkContinue, nil
	})
}
