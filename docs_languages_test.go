package wirepost_test

import (
	"fmt"
	"os"
	"path"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"
)

// Every page for users is in English and in Chinese. Both have the same skeleton: what is
// added to one page and forgotten in the other makes a difference.

// TestDocsInBothLanguages compares each English page with its Chinese counterpart.
func TestDocsInBothLanguages(t *testing.T) {
	t.Parallel()
	counterparts := counterparts(t)
	for english, chinese := range counterparts {
		if _, err := os.Stat(chinese); err != nil {
			t.Errorf("%s has no Chinese counterpart: %v", english, err)
			continue
		}
		compareLanguages(t, english, chinese)
	}
	for _, chinese := range glob(t, "docs/zh-CN/*.md") {
		if english := "docs/" + path.Base(chinese); counterparts[english] == "" {
			t.Errorf("%s has no English counterpart %s", chinese, english)
		}
	}
}

// counterparts maps the English pages to the Chinese ones.
func counterparts(t *testing.T) map[string]string {
	t.Helper()
	pages := map[string]string{}
	for _, english := range []string{"README.md", "examples/README.md", "js/README.md"} {
		pages[english] = strings.TrimSuffix(english, ".md") + ".zh-CN.md"
	}
	for _, english := range glob(t, "docs/*.md") {
		pages[english] = "docs/zh-CN/" + path.Base(english)
	}
	return pages
}

func glob(t *testing.T, pattern string) []string {
	t.Helper()
	found, err := filepath.Glob(pattern)
	if err != nil || found == nil {
		t.Fatalf("%s: %q, %v", pattern, found, err)
	}
	for i := range found {
		found[i] = filepath.ToSlash(found[i])
	}
	return found
}

// compareLanguages reports the first difference, because the following ones are often
// caused by it.
func compareLanguages(t *testing.T, english, chinese string) {
	t.Helper()
	for page, link := range map[string]string{
		english: fmt.Sprintf("English · [简体中文](%s)", relative(t, english, chinese)),
		chinese: fmt.Sprintf("[English](%s) · 简体中文", relative(t, chinese, english)),
	} {
		if lines := strings.SplitN(readDoc(t, page), "\n", 4); len(lines) < 4 || lines[2] != link {
			t.Errorf("%s: the third line is not %q", page, link)
		}
	}
	want, got := skeleton(readDoc(t, english)), skeleton(readDoc(t, chinese))
	for i := range max(len(want), len(got)) {
		end := part{text: "the end of the page"}
		w, g := end, end
		if i < len(want) {
			w = want[i]
		}
		if i < len(got) {
			g = got[i]
		}
		if w.text != g.text {
			t.Errorf("%s:%d has\n%s\n%s:%d has\n%s", english, w.line, w.text, chinese, g.line, g.text)
			return
		}
	}
}

func relative(t *testing.T, from, to string) string {
	t.Helper()
	link, err := filepath.Rel(path.Dir(from), to)
	if err != nil {
		t.Fatal(err)
	}
	return filepath.ToSlash(link)
}

// part is a heading, a list item, a row of a table, a paragraph or a block of code,
// without its prose.
type part struct {
	line int
	text string
}

var (
	codeSpan = regexp.MustCompile("`[^`]+`")
	listItem = regexp.MustCompile(`^ *(-|\d+\.) `)
)

// skeleton returns what the page in both languages have in common.
func skeleton(markdown string) (parts []part) {
	lines := strings.Split(markdown, "\n")
	for i := 0; i < len(lines); i++ {
		at, line := i+1, lines[i]
		var text string
		switch {
		case strings.HasPrefix(strings.TrimSpace(line), "```"):
			language := strings.TrimSpace(line)
			for i++; i < len(lines) && !strings.HasPrefix(strings.TrimSpace(lines[i]), "```"); i++ {
				if code := withoutComment(language, lines[i]); code != "" {
					text += "\n" + code
				}
			}
			text = language + text
		case strings.HasPrefix(line, "#"):
			text = strings.Repeat("#", len(line)-len(strings.TrimLeft(line, "#"))) + " " + code(line)
		case strings.HasPrefix(line, "|"):
			text = fmt.Sprintf("a row of %d cells with %s and %v", strings.Count(line, "|")-1, code(line), numbers(line))
		case listItem.MatchString(line):
			text = "a list item with " + code(line)
		case line != "" && !strings.HasPrefix(line, "<!--"):
			text = "a paragraph with " + code(line)
		default:
			continue
		}
		parts = append(parts, part{line: at, text: text})
	}
	return parts
}

// code returns the code in a line of prose, each once and sorted, because the languages
// differ in word order and in what they repeat.
func code(line string) string {
	spans := codeSpan.FindAllString(line, -1)
	slices.Sort(spans)
	return strings.Join(slices.Compact(spans), " ")
}

var (
	linkTarget = regexp.MustCompile(`\]\([^)]*\)`)
	number     = regexp.MustCompile(`(\d+(?: \d{3})*(?:\.\d+)?)( million| ?万| ?亿)?`)
	scales     = map[string]float64{"": 1, "million": 1e6, "万": 1e4, "亿": 1e8}
)

// numbers returns the numbers in a row of a table, outside code: measurements and limits.
func numbers(row string) (list []float64) {
	prose := linkTarget.ReplaceAllString(codeSpan.ReplaceAllString(row, ""), "")
	for _, m := range number.FindAllStringSubmatch(prose, -1) {
		value, err := strconv.ParseFloat(strings.ReplaceAll(m[1], " ", ""), 64)
		if err == nil {
			list = append(list, value*scales[strings.TrimSpace(m[2])])
		}
	}
	slices.Sort(list)
	return slices.Compact(list)
}

var (
	slashComment = regexp.MustCompile(`(^|\s)(//|<!--) .*$`)
	hashComment  = regexp.MustCompile(`(^|\s)# .*$`)
)

// withoutComment removes what may be translated, and the space before it.
func withoutComment(language, line string) string {
	comment := hashComment
	switch language {
	case "```go", "```js", "```html", "```ts", "```tsx", "```jsx":
		comment = slashComment
	}
	return strings.TrimRight(comment.ReplaceAllString(line, ""), " \t")
}

// TestChineseLinks checks that Chinese pages link to Chinese ones, and do not call them
// English.
func TestChineseLinks(t *testing.T) {
	t.Parallel()
	counterparts := counterparts(t)
	link := regexp.MustCompile(`\[[^\]]*\]\(([^)#:]+)(?:#[^)]*)?\)(（英文）)?`)
	for english, page := range counterparts {
		text := strings.Replace(readDoc(t, page), fmt.Sprintf("[English](%s)", relative(t, page, english)), "", 1)
		for _, m := range link.FindAllStringSubmatch(text, -1) {
			target := path.Join(path.Dir(page), m[1])
			if chinese, exists := counterparts[target]; exists {
				t.Errorf("%s: %s: link to the Chinese page %s", page, m[0], chinese)
			}
			if m[2] != "" && strings.Contains(target, "zh-CN") {
				t.Errorf("%s: %s: the page is in Chinese", page, m[0])
			}
		}
	}
}
