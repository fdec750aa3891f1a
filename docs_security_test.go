package wirepost_test

import (
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
)

// TestSecurityDocumented checks docs/security.md: every test that it names exists,
// every row that is not marked as open names one, and its links are valid.
func TestSecurityDocumented(t *testing.T) {
	t.Parallel()
	names := testNames(t)
	for _, row := range rows(t, "docs/security.md", "Attacks tried") {
		if len(row) != 4 {
			t.Errorf("row %q: an attack, its outcome, its cost and tests are needed", row)
			continue
		}
		named := regexp.MustCompile(`\b(?:Test|Fuzz|Benchmark)\w+`).FindAllString(row[3], -1)
		if len(named) == 0 && row[1] != "*to be measured*" {
			t.Errorf("%q names no test", row[0])
		}
		for _, name := range named {
			if !slices.Contains(names, name) {
				t.Errorf("%q names %s, which does not exist", row[0], name)
			}
		}
	}
	for _, m := range regexp.MustCompile(`\]\(([^)#:]*)(?:#([^)]+))?\)`).FindAllStringSubmatch(readDoc(t, "docs/security.md"), -1) {
		file := "docs/security.md"
		if m[1] != "" {
			file = filepath.Join("docs", m[1])
		}
		if _, err := os.Stat(file); err != nil {
			t.Error(err)
		} else if m[2] != "" && !slices.Contains(anchors(readDoc(t, file)), m[2]) {
			t.Errorf("%s: the heading does not exist", m[0])
		}
	}
}

// testNames lists all tests, fuzz targets and benchmarks in Go.
func testNames(t *testing.T) (names []string) {
	t.Helper()
	declared := regexp.MustCompile(`(?m)^func ((?:Test|Fuzz|Benchmark)\w+)\(`)
	err := filepath.WalkDir(".", func(path string, d fs.DirEntry, err error) error {
		switch {
		case err != nil:
			return err
		case d.IsDir() && (d.Name() == "node_modules" || d.Name() == ".git"):
			return filepath.SkipDir
		case !strings.HasSuffix(path, "_test.go"):
			return nil
		}
		for _, m := range declared.FindAllStringSubmatch(readDoc(t, path), -1) {
			names = append(names, m[1])
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return names
}
