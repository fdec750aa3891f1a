package console

import (
	"fmt"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/wirepost/wirepost"
	"github.com/wirepost/wirepost/internal/wire"
)

var (
	entry = regexp.MustCompile(`(?m)^  "([^"]+)": (.+),$`)
	value = regexp.MustCompile(`\{\w+\}`)
)

// texts returns the placeholders of each text in a table.
func texts(t *testing.T, file string) map[string][]string {
	t.Helper()
	all := map[string][]string{}
	for _, m := range entry.FindAllStringSubmatch(source(t, file), -1) {
		if _, twice := all[m[1]]; twice {
			t.Errorf("%s has %q twice", file, m[1])
		}
		values := value.FindAllString(m[2], -1)
		slices.Sort(values)
		all[m[1]] = slices.Compact(values)
	}
	return all
}

func source(t *testing.T, file string) string {
	t.Helper()
	text, err := static.ReadFile("static/" + file)
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

// scripts returns the sources of all files that show texts.
func scripts(t *testing.T) map[string]string {
	t.Helper()
	all := map[string]string{}
	for _, pattern := range []string{"static/*.js", "static/*.html"} {
		files, err := fs.Glob(static, pattern)
		if err != nil {
			t.Fatal(err)
		}
		for _, f := range files {
			if name := strings.TrimPrefix(f, "static/"); name != "en.js" && name != "zh.js" && name != "said.js" {
				all[name] = source(t, name)
			}
		}
	}
	return all
}

// TestTexts: both languages have the same texts with the same values, each is used, and there
// is none that is used and missing.
func TestTexts(t *testing.T) {
	t.Parallel()
	en, zh := texts(t, "en.js"), texts(t, "zh.js")
	if len(en) < 200 {
		t.Fatalf("only %d texts were found", len(en))
	}
	if diff := cmp.Diff(en, zh); diff != "" {
		t.Errorf("English and Chinese differ:\n%s", diff)
	}
	var everything strings.Builder
	for name, text := range scripts(t) {
		everything.WriteString(text)
		for _, m := range regexp.MustCompile(`\b(?:t|parts|has)\("([^"]+)"|data-(?:text|label|title)="([^"]+)"`).FindAllStringSubmatch(text, -1) {
			if key := m[1] + m[2]; en[key] == nil && !slices.Contains(slices.Collect(maps.Keys(en)), key) {
				t.Errorf("%s uses the text %q, which does not exist", name, key)
			}
		}
	}
	used := everything.String()
	for key := range en {
		group, last, grouped := cut(key)
		switch {
		case strings.Contains(used, `"`+key+`"`):
		case strings.Contains(used, "\n    "+key+": "): // facts of a channel
		case grouped && strings.Contains(used, "`"+group+".${"): // such as state.${name}
		case grouped && strings.Contains(used, "${name}.${") && strings.Contains(used, `"`+group+`", [`) && strings.Contains(used, `"`+last+`"`): // facts of a panel
		case grouped && strings.Contains(used, "`${which}."+last+"`"), (group == "has" || group == "not") && strings.Contains(used, "`${which}.${"): // receipts
		default:
			t.Errorf("nothing uses the text %q", key)
		}
	}
}

// TestSaid: what is translated of the server is what it says, with the same values and without
// English.
func TestSaid(t *testing.T) {
	t.Parallel()
	ours, others, _ := strings.Cut(source(t, "said.js"), "export const network")
	said := pairs(t, ours)
	if len(said) < 50 {
		t.Fatalf("only %d texts were found", len(said))
	}
	var server strings.Builder
	for _, dir := range []string{"../*.go", "../hooks/*.go", "../engine/*.go", "../engine/*/*.go", "../engine/*/*/*/*.go", "../internal/*/*.go", "../httpapi/*.go", "../httpapi/*/*/*.go"} {
		files, err := filepath.Glob(dir)
		if err != nil {
			t.Fatal(err)
		}
		for _, f := range files {
			text, err := os.ReadFile(f)
			if err != nil {
				t.Fatal(err)
			}
			if !strings.HasSuffix(f, "_test.go") {
				server.Write(text)
			}
		}
	}
	for english := range said {
		for _, part := range value.Split(english, -1) {
			if part = strings.Trim(part, " :"); !strings.Contains(server.String(), part) {
				t.Errorf("the server does not say %q, as in %q", part, english)
			}
		}
	}
	maps.Copy(said, pairs(t, others))
	for from, to := range said {
		a, b := value.FindAllString(from, -1), value.FindAllString(to, -1)
		slices.Sort(a)
		slices.Sort(b)
		if !slices.Equal(a, b) {
			t.Errorf("%q has the values %s, and %q has %s", from, a, to, b)
		}
	}
}

// pairs returns the texts of said.js with their translations.
func pairs(t *testing.T, text string) map[string]string {
	t.Helper()
	all := map[string]string{}
	for _, m := range regexp.MustCompile(`(?m)^  (?:"([^"]+)"|'([^']+)'): "(.+)",$`).FindAllStringSubmatch(text, -1) {
		from := m[1] + m[2]
		if all[from] != "" {
			t.Errorf("%q is translated twice", from)
		}
		all[from] = m[3]
	}
	if want := strings.Count(text, ": \""); len(all) < want {
		t.Errorf("%d translations of at least %d were found", len(all), want)
	}
	return all
}

// TestCodes: each code of an error and of a close has a meaning in words.
func TestCodes(t *testing.T) {
	t.Parallel()
	all := texts(t, "en.js")
	for _, c := range wire.CloseCodes {
		if _, ok := all[fmt.Sprint("code.", c.Code)]; !ok {
			t.Errorf("the close code %d has no text", c.Code)
		}
	}
	for _, code := range []wirepost.Code{
		wirepost.CodeBadRequest, wirepost.CodeUnauthorized, wirepost.CodeForbidden, wirepost.CodeNotFound,
		wirepost.CodeTooLarge, wirepost.CodeRateLimited, wirepost.CodeInternal, wirepost.CodeUnavailable,
	} {
		if _, ok := all["problem."+string(code)]; !ok {
			t.Errorf("the code %s has no text", code)
		}
	}
}

func cut(key string) (group, last string, ok bool) {
	if strings.HasPrefix(key, "hint.") {
		return "hint", strings.TrimPrefix(key, "hint."), true
	}
	i := strings.LastIndexByte(key, '.')
	if i < 0 {
		return "", key, false
	}
	return key[:i], key[i+1:], true
}

// TestNoTextOutsideTheTables looks for words of a language in literals. Single words in lower
// case, which are also names, are left to TestChinese.
func TestNoTextOutsideTheTables(t *testing.T) {
	t.Parallel()
	var (
		comment  = regexp.MustCompile(`(?m)(^|\s)//.*$`)
		literal  = regexp.MustCompile("\"(?:[^\"\\\\\n]|\\\\.)*\"|`[^`]*`")
		embedded = regexp.MustCompile(`\$\{[^}]*\}`)
		phrase   = regexp.MustCompile(`[A-Za-z]{2,} [A-Za-z]{2,}|^.[A-Z][a-z]+|\p{Han}`)
		class    = regexp.MustCompile(`class: $|className = $`)
		markup   = regexp.MustCompile(`>([^<>]*[\p{L}][^<>]*)<`)
	)
	known := []string{
		"use strict", "Content-Type", "Authorization", "Bearer ", "Enter", "Esc", "Wirepost", "The console needs JavaScript. ", "控制台需要 JavaScript。",
		"12px system-ui, sans-serif", "curl -d hello /v1/push/user:42", `const ws = new WebSocket("")\nws.onmessage = (event) => console.log(event.data)`,
		"wirepost config check", "GET /v1/events", "default device",
		"KiB", "MiB", "GiB", "TiB", "name soft", "search beside", "number soft", "there is no text ",
		`--events-types '*'\n--events-types 'user.*' --events-types message.unacknowledged`,
		`--events-url https\u003a//app.example/events --events-secret whsec_…`,
	}
	allowed := func(text string) bool { return slices.Contains(known, text) }
	for name, text := range scripts(t) {
		if strings.HasSuffix(name, ".html") {
			for _, m := range markup.FindAllStringSubmatch(text, -1) {
				if !allowed(m[1]) {
					t.Errorf("%s has the text %q", name, m[1])
				}
			}
			continue
		}
		text = comment.ReplaceAllString(text, "")
		for _, at := range literal.FindAllStringIndex(text, -1) {
			plain := embedded.ReplaceAllString(text[at[0]:at[1]], "")
			if phrase.MatchString(plain) && !class.MatchString(text[:at[0]]) && !allowed(plain[1:len(plain)-1]) {
				t.Errorf("%s has the literal %s", name, plain)
			}
		}
	}
}
