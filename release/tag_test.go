package main

import (
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

// TestNotes checks that the links in the notes are right where the notes will be: in
// CHANGELOG.md.
func TestNotes(t *testing.T) {
	t.Parallel()
	pages, err := filepath.Glob("notes/*.md")
	if err != nil || len(pages) == 0 {
		t.Fatal(pages, err)
	}
	for _, page := range pages {
		text, err := os.ReadFile(page)
		if err != nil {
			t.Fatal(err)
		}
		for _, m := range regexp.MustCompile(`\]\(([^)#:]+)`).FindAllSubmatch(text, -1) {
			if _, err := os.Stat(filepath.Join("..", string(m[1]))); err != nil {
				t.Errorf("%s: %v", page, err)
			}
		}
	}
}

// TestTag makes versions in a repository of its own.
func TestTag(t *testing.T) {
	t.Parallel()
	script, err := filepath.Abs("tag.sh")
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	do := func(ok bool, name string, args ...string) string {
		t.Helper()
		cmd := exec.Command(name, args...)
		cmd.Dir = dir
		cmd.Env = append(os.Environ(), "GIT_CONFIG_GLOBAL=/dev/null", "GIT_AUTHOR_NAME=a", "GIT_AUTHOR_EMAIL=a@example.com",
			"GIT_COMMITTER_NAME=a", "GIT_COMMITTER_EMAIL=a@example.com")
		out, err := cmd.CombinedOutput()
		if (err == nil) != ok {
			t.Fatalf("%s %v: %v\n%s", name, args, err, out)
		}
		return string(out)
	}
	do(true, "git", "init", "-q", ".")
	change := func(text string) {
		if err := os.WriteFile(filepath.Join(dir, "CHANGELOG.md"), []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	change("# Changelog\n\n## Unreleased\n\n- first\n- second\n")
	do(true, "git", "add", ".")
	do(true, "git", "commit", "-q", "-m", "x")
	do(false, "sh", script, "0.1.0")
	do(true, "sh", script, "v0.1.0")
	if notes := do(true, "git", "tag", "-l", "--format=%(contents)", "v0.1.0"); strings.TrimSpace(notes) != "- first\n- second" {
		t.Errorf("the notes are %q", notes)
	}
	if got := do(true, "git", "show", "HEAD:CHANGELOG.md"); !strings.Contains(got, "## Unreleased\n\n## v0.1.0 - 20") {
		t.Errorf("the changelog is %q", got)
	}
	do(false, "sh", script, "v0.1.0") // it exists
	change(strings.Replace(do(true, "git", "show", "HEAD:CHANGELOG.md"), "## Unreleased\n", "## Unreleased\n\n- third\n", 1))
	notes := filepath.Join(dir, "release/notes")
	if err := os.MkdirAll(notes, 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(notes, "v0.1.1.md"), []byte("It has\n\n### a heading.\n"), 0o644); err != nil {
		t.Fatal(err)
	}
	do(true, "git", "add", ".")
	do(true, "git", "commit", "-q", "-m", "x")
	do(true, "sh", script, "v0.1.1")
	if notes := do(true, "git", "tag", "-l", "--format=%(contents)", "v0.1.1"); strings.TrimSpace(notes) != "It has\n\n### a heading.\n\n### Changes\n\n- third" {
		t.Errorf("the notes are %q", notes)
	}
	do(false, "sh", script, "v0.1.2") // with nothing in it
	change("changed")
	do(false, "sh", script, "v0.1.2") // with changes that are not committed
}
