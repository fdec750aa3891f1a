package client_test

import (
	"os/exec"
	"strings"
	"testing"
)

// TestImports: a program that only receives or pushes links neither the server nor its
// dependencies.
func TestImports(t *testing.T) {
	const module = "github.com/wirepost/wirepost"
	out, err := exec.Command("go", "list", "-deps", ".").CombinedOutput()
	if err != nil {
		t.Fatalf("go list: %v\n%s", err, out)
	}
	allowed := map[string]bool{
		module + "/client": true, module + "/internal/dial": true,
		module + "/internal/ws": true, module + "/internal/wire": true, module + "/internal/strict": true,
	}
	for dep := range strings.FieldsSeq(string(out)) {
		if strings.HasPrefix(dep, module) && !allowed[dep] {
			t.Errorf("the client imports %s", dep)
		}
		for _, heavy := range []string{"cockroachdb/pebble", "prometheus", "nats-io", "gin-gonic", "golang-jwt", "gobwas"} {
			if strings.Contains(dep, heavy) {
				t.Errorf("the client links %s", dep)
			}
		}
	}
}
