package wirepost_test

import (
	"bytes"
	"encoding/json"
	"fmt"
	"os/exec"
	"path/filepath"
	"testing"
)

// TestTestingPage runs the tests that docs/testing.md shows.
func TestTestingPage(t *testing.T) {
	t.Parallel()
	blocks := fenced(t, "docs/testing.md", "go")
	dir, overlay := t.TempDir(), map[string]string{}
	for i, block := range blocks {
		name := fmt.Sprintf("page%d_test.go", i+1)
		shown, err := filepath.Abs(filepath.Join("docs", "testing", name))
		if err != nil {
			t.Fatal(err)
		}
		overlay[shown] = write(t, dir, name, []byte(block))
	}
	text, err := json.Marshal(map[string]any{"Replace": overlay})
	if err != nil {
		t.Fatal(err)
	}
	// The directory is in the overlay only, so vet cannot change to it, and the tests run elsewhere.
	binary := filepath.Join(dir, "page.test")
	build := exec.Command("go", "test", "-c", "-vet=off", "-o", binary, "-overlay", write(t, dir, "overlay.json", text), "./docs/testing")
	if out, err := build.CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	run := exec.Command(binary, "-test.v")
	run.Dir = dir
	out, err := run.CombinedOutput()
	if err != nil || bytes.Count(out, []byte("--- PASS")) != len(blocks) || len(blocks) != 2 {
		t.Errorf("%d blocks: %v\n%s", len(blocks), err, out)
	}
}
