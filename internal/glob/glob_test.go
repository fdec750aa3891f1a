package glob

import (
	"regexp"
	"strings"
	"testing"
)

func TestMatch(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		pattern, name string
		want          bool
	}{
		{"room:7", "room:7", true},
		{"room:7", "room:77", false},
		{"room:*", "room:", true},
		{"room:*", "room", false},
		{"*", "", true},
		{"a*b*c", "abbc", true},
		{"a*b*c", "acb", false},
		{"a*a", "a", false},
		{"**", "x", true},
		{"*.example.com", "a.example.com", true},
		{"*.example.com", "example.com", false},
	} {
		if got := Match(c.pattern, c.name); got != c.want {
			t.Errorf("%q matches %q: %v", c.pattern, c.name, got)
		}
	}
}

func FuzzMatch(f *testing.F) {
	f.Add("a*b*c", "abbc")
	f.Add("**a", "aaa")
	f.Fuzz(func(t *testing.T, pattern, name string) {
		parts := strings.Split(pattern, "*")
		for i := range parts {
			parts[i] = regexp.QuoteMeta(parts[i])
		}
		re, err := regexp.Compile(`(?s)\A` + strings.Join(parts, ".*") + `\z`)
		if err != nil {
			t.Skip("no valid UTF-8")
		}
		if got := Match(pattern, name); got != re.MatchString(name) {
			t.Errorf("%q matches %q: %v", pattern, name, got)
		}
	})
}

// TestCovers compares Covers with all names up to a length: it must never be wrong when it
// returns true, and must return true in the simple cases.
func TestCovers(t *testing.T) {
	t.Parallel()
	words := func(alphabet string, length int) []string {
		all := []string{""}
		for begin := 0; length > 0; length-- {
			end := len(all)
			for _, w := range all[begin:end] {
				for _, c := range alphabet {
					all = append(all, w+string(c))
				}
			}
			begin = end
		}
		return all
	}
	names, patterns := words("ab", 6), words("ab*", 4)
	for _, wide := range patterns {
		for _, narrow := range patterns {
			if !Covers(wide, narrow) {
				continue
			}
			for _, name := range names {
				if Match(narrow, name) && !Match(wide, name) {
					t.Fatalf("%q does not cover %q: %q", wide, narrow, name)
				}
			}
		}
	}
	for _, pair := range [][2]string{{"*", "a"}, {"*", "*"}, {"a*", "a*"}, {"a", "a"}, {"a*", "ab*"}, {"*b", "a*b"}, {"a*", "a*b*c"}} {
		if !Covers(pair[0], pair[1]) {
			t.Errorf("%q covers %q", pair[0], pair[1])
		}
	}
}
