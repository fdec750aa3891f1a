package main

import (
	"fmt"
	"html"

	"github.com/alecthomas/chroma/v2"
	chromahtml "github.com/alecthomas/chroma/v2/formatters/html"
	"github.com/alecthomas/chroma/v2/lexers"
	"github.com/alecthomas/chroma/v2/styles"
	"github.com/yuin/goldmark/ast"
	east "github.com/yuin/goldmark/extension/ast"
	"github.com/yuin/goldmark/renderer"
	"github.com/yuin/goldmark/util"
)

// blocks renders code with colours, and tables and code that scroll sideways by
// themselves where the screen is narrow.
type blocks struct{ language string }

func (b blocks) RegisterFuncs(r renderer.NodeRendererFuncRegisterer) {
	r.Register(ast.KindFencedCodeBlock, b.code)
	r.Register(ast.KindHeading, b.heading)
	r.Register(east.KindTable, b.table)
}

// formatter writes a class for each kind of token; site.css has the colours.
var formatter = chromahtml.New(chromahtml.WithClasses(true), chromahtml.PreventSurroundingPre(true))

func (b blocks) code(w util.BufWriter, source []byte, node ast.Node, entering bool) (ast.WalkStatus, error) {
	if !entering {
		return ast.WalkContinue, nil
	}
	n := node.(*ast.FencedCodeBlock)
	language := string(n.Language(source))
	lexer := lexers.Get(language)
	if lexer == nil {
		if language != "" {
			return ast.WalkStop, fmt.Errorf("the language %q of a code block is unknown", language)
		}
		lexer = lexers.Fallback
	}
	tokens, err := chroma.Coalesce(lexer).Tokenise(nil, string(n.Lines().Value(source)))
	if err != nil {
		return ast.WalkStop, err
	}
	fmt.Fprintf(w, "<div class=code><pre tabindex=0><code data-language=%q>", language)
	if err := formatter.Format(w, styles.Fallback, tokens); err != nil {
		return ast.WalkStop, err
	}
	w.WriteString("</code></pre></div>\n") //nolint:errcheck // the writer keeps its error
	return ast.WalkSkipChildren, nil
}

// heading adds a link to itself.
func (b blocks) heading(w util.BufWriter, _ []byte, node ast.Node, entering bool) (ast.WalkStatus, error) {
	n := node.(*ast.Heading)
	value, _ := n.AttributeString("id")
	id := html.EscapeString(string(value.([]byte)))
	if entering {
		fmt.Fprintf(w, `<h%d id="%s">`, n.Level, id)
		return ast.WalkContinue, nil
	}
	if n.Level > 1 {
		fmt.Fprintf(w, `<a class=anchor href="#%s" aria-hidden=true tabindex=-1>#</a>`, id)
	}
	fmt.Fprintf(w, "</h%d>\n", n.Level)
	return ast.WalkContinue, nil
}

func (b blocks) table(w util.BufWriter, _ []byte, _ ast.Node, entering bool) (ast.WalkStatus, error) {
	tag := "</table></div>\n"
	if entering {
		tag = "<div class=table tabindex=0><table>\n"
	}
	w.WriteString(tag) //nolint:errcheck // the writer keeps its error
	return ast.WalkContinue, nil
}
