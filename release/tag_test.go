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

// packageFiles name the version of the npm package.
var packageFiles = []string{"js/package.json", "js/package-lock.json", "examples/react/package-lock.json"}

// packageVersions returns the versions of the package in a file of npm.
func packageVersions(t *testing.T, text string) (versions []string) {
	t.Helper()
	for _, m := range regexp.MustCompile(`(?:"name": "wirepost",|"node_modules/wirepost": \{)\s+"version": "([^"]*)"`).FindAllStringSubmatch(text, -1) {
		versions = append(versions, m[1])
	}
	if len(versions) == 0 {
		t.Fatalf("the package is not in %s", text)
	}
	return versions
}

// TestPackageVersion checks that the npm package has one version: the last one in
// CHANGELOG.md, if there is one.
func TestPackageVersion(t *testing.T) {
	t.Parallel()
	changes, err := os.ReadFile("../CHANGELOG.md")
	if err != nil {
		t.Fatal(err)
	}
	want := ""
	if m := regexp.MustCompile(`(?m)^## v(\S+)`).FindSubmatch(changes); m != nil {
		want = string(m[1])
	}
	for _, name := range packageFiles {
		text, err := os.ReadFile(filepath.Join("..", name))
		if err != nil {
			t.Fatal(err)
		}
		for _, version := range packageVersions(t, string(text)) {
			if want == "" {
				want = version
			}
			if version != want {
				t.Errorf("%s has the version %s, want %s", name, version, want)
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
	write := func(name, text string) {
		t.Helper()
		path := filepath.Join(dir, name)
		err := os.MkdirAll(filepath.Dir(path), 0o755)
		if err == nil {
			err = os.WriteFile(path, []byte(text), 0o644)
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	for _, name := range packageFiles {
		text, err := os.ReadFile(filepath.Join("..", name))
		if err != nil {
			t.Fatal(err)
		}
		write(name, string(text))
	}
	change := func(text string) { write("CHANGELOG.md", text) }
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
	write("release/notes/v0.1.1.md", "It has\n\n### a heading.\n")
	do(true, "git", "add", ".")
	do(true, "git", "commit", "-q", "-m", "x")
	do(true, "sh", script, "v0.1.1")
	if notes := do(true, "git", "tag", "-l", "--format=%(contents)", "v0.1.1"); strings.TrimSpace(notes) != "It has\n\n### a heading.\n\n### Changes\n\n- third" {
		t.Errorf("the notes are %q", notes)
	}
	do(false, "sh", script, "v0.1.2") // with nothing in it

	// The npm package has the version, and nothing else of its files has changed.
	for _, name := range packageFiles {
		for _, version := range packageVersions(t, do(true, "git", "show", "v0.1.1:"+name)) {
			if version != "0.1.1" {
				t.Errorf("%s has the version %s", name, version)
			}
		}
	}
	if changed := do(true, "git", "diff", "--numstat", "v0.1.0", "v0.1.1", "--", "js", "examples"); changed != "1\t1\texamples/react/package-lock.json\n2\t2\tjs/package-lock.json\n1\t1\tjs/package.json\n" {
		t.Errorf("changed:\n%s", changed)
	}
	if _, err := describe(t.Context(), dir, "v0.1.1"); err != nil {
		t.Error(err)
	}
	if _, err := describe(t.Context(), dir, "v0.1.2"); err == nil || !strings.Contains(err.Error(), `js/package.json has the version "0.1.1"`) {
		t.Errorf("v0.1.2 is described: %v", err)
	}
	change("changed")
	do(false, "sh", script, "v0.1.2") // with changes that are not committed
}
