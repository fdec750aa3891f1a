// Package knots measures dependency cycles between the files of a package.
package knots

import (
	"fmt"
	"go/ast"
	"go/types"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"golang.org/x/tools/go/packages"
)

// most is the maximum number of files in a knot: a set in which every file depends on
// every other, directly or indirectly, so that one must read all to understand any.
const most = 8

// TestKnots prints the size of the largest knot of each package and checks it
// against the limit. A file depends on another one if it uses a function, type,
// variable, method or field that is declared there.
func TestKnots(t *testing.T) {
	t.Parallel()
	config := &packages.Config{
		Dir:  "../..",
		Mode: packages.NeedName | packages.NeedFiles | packages.NeedSyntax | packages.NeedTypes | packages.NeedTypesInfo | packages.NeedImports | packages.NeedExportFile,
	}
	all, err := packages.Load(config, "./...")
	if err != nil {
		t.Fatal(err)
	}
	for _, p := range all {
		if len(p.Errors) > 0 {
			t.Fatalf("%s: %v", p.PkgPath, p.Errors[0])
		}
		knot := largest(needs(p))
		name := strings.TrimPrefix(strings.TrimPrefix(p.PkgPath, "github.com/wirepost/wirepost"), "/")
		t.Logf("%-30s %2d of %2d files", name, len(knot), len(p.Syntax))
		if len(knot) > most {
			t.Errorf("%s: %d files depend on each other: %s", name, len(knot), strings.Join(knot, " "))
		}
	}
}

// needs returns, for each file, the files that it depends on.
func needs(p *packages.Package) map[string][]string {
	graph := map[string][]string{}
	for _, f := range p.Syntax {
		from := filepath.Base(p.Fset.Position(f.Pos()).Filename)
		graph[from] = nil
		ast.Inspect(f, func(n ast.Node) bool {
			id, ok := n.(*ast.Ident)
			if !ok {
				return true
			}
			used := p.TypesInfo.Uses[id]
			if used == nil || used.Pkg() != p.Types || !shared(used) {
				return true
			}
			to := filepath.Base(p.Fset.Position(used.Pos()).Filename)
			if to != from && !slices.Contains(graph[from], to) {
				graph[from] = append(graph[from], to)
			}
			return true
		})
	}
	return graph
}

// shared reports whether other files can see a declaration.
func shared(o types.Object) bool {
	switch o := o.(type) {
	case *types.Var:
		return o.IsField() || o.Parent() == o.Pkg().Scope()
	case *types.Func:
		return true
	}
	return o.Parent() == o.Pkg().Scope()
}

// largest returns the largest strongly connected component (Tarjan), sorted.
func largest(graph map[string][]string) (knot []string) {
	index, low, on := map[string]int{}, map[string]int{}, map[string]bool{}
	var stack []string
	var visit func(string)
	visit = func(v string) {
		index[v] = len(index) + 1
		low[v] = index[v]
		stack, on[v] = append(stack, v), true
		for _, w := range graph[v] {
			if index[w] == 0 {
				visit(w)
				low[v] = min(low[v], low[w])
			} else if on[w] {
				low[v] = min(low[v], index[w])
			}
		}
		if low[v] != index[v] {
			return
		}
		i := slices.Index(stack, v)
		if len(stack)-i > len(knot) {
			knot = slices.Clone(stack[i:])
		}
		for _, w := range stack[i:] {
			on[w] = false
		}
		stack = stack[:i]
	}
	for v := range graph {
		if index[v] == 0 {
			visit(v)
		}
	}
	slices.Sort(knot)
	return knot
}

func TestLargest(t *testing.T) {
	t.Parallel()
	for want, graph := range map[string]map[string][]string{
		"[a b c]": {"a": {"b"}, "b": {"c"}, "c": {"a"}, "d": {"a"}, "e": {"d"}},
		"[a b]":   {"a": {"b"}, "b": {"a"}, "c": {"a"}},
	} {
		if got := fmt.Sprint(largest(graph)); got != want {
			t.Errorf("%v, not %s", got, want)
		}
	}
}
