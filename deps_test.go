package wirepost_test

import (
	"os/exec"
	"strings"
	"testing"
)

const module = "github.com/wirepost/wirepost"

// TestImports keeps the layers apart: cmd, then httpapi and auth, then this
// package, then wire and conn, which know nothing of ours. A program that embeds
// this package must not link a store or a framework that it did not ask for.
func TestImports(t *testing.T) {
	t.Parallel()
	for _, rule := range []struct {
		pkg     string
		allowed []string // packages of ours
		why     string
	}{
		{"", []string{"/engine", "/engine/memory", "/internal/clock", "/internal/wire", "/internal/conn", "/internal/glob", "/internal/origin", "/internal/strict"}, "the library stands below all that adapts to it"},
		{"/engine", nil, "the contract knows no implementation"},
		{"/engine/memory", []string{"/engine", "/internal/clock"}, "an engine knows the contract and the clock only"},
		{"/engine/pebble", []string{"/engine", "/engine/pebble/internal/files", "/internal/clock"}, "an engine knows the contract and the clock only"},
		{"/engine/pebble/internal/files", nil, "a leaf: it knows files, no messages"},
		{"/internal/strict", nil, "a leaf"},
		{"/internal/wire", []string{"/internal/strict"}, "it knows frames, no sessions"},
		{"/internal/clock", nil, "a leaf"},
		{"/internal/glob", nil, "a leaf"},
		{"/internal/origin", []string{"/internal/glob"}, "it knows requests of net/http, no server"},
		{"/internal/conn", nil, "a leaf: it knows bytes, no messages"},
		{"/internal/console", []string{"/internal/uplot"}, "the console is files: what it shows it asks of the API"},
	} {
		allowed := map[string]bool{module + rule.pkg: true}
		for _, p := range rule.allowed {
			allowed[module+p] = true
		}
		for _, dep := range deps(t, module+rule.pkg) {
			if strings.HasPrefix(dep, module) && !allowed[dep] {
				t.Errorf("%s imports %s: %s", module+rule.pkg, dep, rule.why)
			}
		}
	}
	for _, dep := range deps(t, module) {
		for _, heavy := range []string{"cockroachdb/pebble", "nats-io", "gin-gonic", "alecthomas/kong", "golang-jwt"} {
			if strings.Contains(dep, heavy) {
				t.Errorf("the library links %s", dep)
			}
		}
	}
}

func deps(t *testing.T, pkg string) []string {
	t.Helper()
	out, err := exec.Command("go", "list", "-deps", pkg).CombinedOutput()
	if err != nil {
		t.Fatalf("go list %s: %v\n%s", pkg, err, out)
	}
	return strings.Fields(string(out))
}
