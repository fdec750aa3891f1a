package wirepost_test

import (
	"encoding/json"
	"fmt"
	"os"
	"path"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/wirepost/wirepost/internal/wire"
)

// What the documents say is compared here with what they describe, so that
// neither changes without the other.

// TestReadmeSnippet keeps the READMEs' Go code equal to Example.
func TestReadmeSnippet(t *testing.T) {
	t.Parallel()
	want := exampleBody(t, "Example")
	for _, name := range []string{"README.md", "README.zh-CN.md"} {
		if blocks := fenced(t, name, "go"); len(blocks) == 0 || blocks[0] != want {
			t.Errorf("%s: the first Go block is not the body of Example in example_test.go, which is:\n%s", name, want)
		}
	}
}

// exampleBody is an example's code as a README shows it: without its output, and
// without the lines that only serve the test.
func exampleBody(t *testing.T, name string) string {
	t.Helper()
	_, body, found := strings.Cut(readDoc(t, "example_test.go"), "\nfunc "+name+"() {\n")
	body, _, ends := strings.Cut(body, "\n\t// Output:")
	if !found || !ends {
		t.Fatalf("there is no func %s with an output", name)
	}
	var lines []string
	for line := range strings.Lines(body) {
		if !strings.HasSuffix(line, "// not in the README\n") {
			lines = append(lines, strings.TrimPrefix(line, "\t"))
		}
	}
	return strings.TrimSpace(strings.Join(lines, "")) + "\n"
}

// TestCloseCodesDocumented compares the table of close codes with the one that
// server and clients share.
func TestCloseCodesDocumented(t *testing.T) {
	t.Parallel()
	var got []wire.CloseCode
	for _, row := range rows(t, "docs/protocol.md", "Close codes") {
		code, err := strconv.Atoi(row[0])
		if err != nil || len(row) != 4 {
			t.Fatalf("row %q: a code, its meaning, yes or no, and when are needed", row)
		}
		got = append(got, wire.CloseCode{Code: code, Meaning: row[1], Reconnect: row[2] == "yes"})
	}
	if !slices.Equal(got, wire.CloseCodes) {
		t.Errorf("docs/protocol.md has\n%v\nthe table in internal/wire/codes.go is\n%v", got, wire.CloseCodes)
	}
}

func TestErrorCodesDocumented(t *testing.T) {
	t.Parallel()
	want := []string{
		wire.BadRequest, wire.Forbidden, wire.NotFound, wire.TooLarge,
		wire.RateLimited, wire.Unavailable, wire.Internal,
	}
	var got []string
	for _, row := range rows(t, "docs/protocol.md", "Error codes") {
		got = append(got, strings.Trim(row[0], "`"))
	}
	if !slices.Equal(got, want) {
		t.Errorf("docs/protocol.md has the error codes %v, there are %v", got, want)
	}
}

// TestRoutesDocumented looks for a heading for each route of the API.
func TestRoutesDocumented(t *testing.T) {
	t.Parallel()
	var api struct {
		Paths map[string]map[string]json.RawMessage `json:"paths"`
	}
	if err := json.Unmarshal([]byte(readDoc(t, "internal/httpapi/openapi.json")), &api); err != nil {
		t.Fatal(err)
	}
	var want []string
	for route, methods := range api.Paths {
		for _, method := range []string{"get", "put", "post", "delete", "patch"} {
			if _, ok := methods[method]; ok {
				want = append(want, strings.ToUpper(method)+" "+route)
			}
		}
	}
	var got []string
	heading := regexp.MustCompile("(?m)^#+ `([A-Z]+ /.*)`$")
	for _, m := range heading.FindAllStringSubmatch(readDoc(t, "docs/http-api.md"), -1) {
		got = append(got, m[1])
	}
	slices.Sort(want)
	slices.Sort(got)
	if !slices.Equal(got, want) {
		t.Errorf("docs/http-api.md has headings for\n%s\nthe API has\n%s", strings.Join(got, "\n"), strings.Join(want, "\n"))
	}
}

// TestJSONInDocs parses every JSON block, line by line where it is several
// objects.
func TestJSONInDocs(t *testing.T) {
	t.Parallel()
	for _, name := range []string{"README.md", "README.zh-CN.md", "docs/protocol.md", "docs/http-api.md"} {
		for _, block := range fenced(t, name, "json") {
			if json.Valid([]byte(block)) {
				continue
			}
			for line := range strings.Lines(block) {
				if !json.Valid([]byte(line)) {
					t.Errorf("%s: no JSON: %s", name, line)
				}
			}
		}
	}
}

// TestLinksInDocs follows the links that stay in the repository.
func TestLinksInDocs(t *testing.T) {
	t.Parallel()
	link := regexp.MustCompile(`\]\(([^)#:]*)(#[^)]+)?\)`)
	for _, name := range []string{"README.md", "README.zh-CN.md", "docs/protocol.md", "docs/http-api.md", "docs/configuration.md"} {
		for _, m := range link.FindAllStringSubmatch(readDoc(t, name), -1) {
			file, anchor := name, strings.TrimPrefix(m[2], "#")
			if m[1] != "" {
				file = path.Join(path.Dir(name), m[1])
			}
			if _, err := os.Stat(file); err != nil {
				t.Errorf("%s links to %s: %v", name, m[0], err)
				continue
			}
			if anchor != "" && !slices.Contains(anchors(readDoc(t, file)), anchor) {
				t.Errorf("%s links to %s: there is no such heading", name, m[0])
			}
		}
	}
}

// anchors are the headings' as GitHub makes them.
func anchors(markdown string) (list []string) {
	drop := regexp.MustCompile(`[^\p{L}\p{N} _-]`)
	for _, m := range regexp.MustCompile(`(?m)^#+ (.*)$`).FindAllStringSubmatch(markdown, -1) {
		a := strings.ReplaceAll(drop.ReplaceAllString(strings.ToLower(m[1]), ""), " ", "-")
		list = append(list, a)
	}
	return list
}

// rows are those of the first table below a heading, without its head.
func rows(t *testing.T, name, heading string) (table [][]string) {
	t.Helper()
	_, rest, found := strings.Cut(readDoc(t, name), "# "+heading+"\n")
	if !found {
		t.Fatalf("%s has no heading %q", name, heading)
	}
	for line := range strings.Lines(rest) {
		line = strings.TrimSpace(line)
		if !strings.HasPrefix(line, "|") {
			if table != nil {
				break
			}
			continue
		}
		var row []string
		for _, cell := range strings.Split(strings.Trim(line, "|"), "|") {
			row = append(row, strings.TrimSpace(cell))
		}
		table = append(table, row)
	}
	if len(table) < 3 {
		t.Fatalf("%s has no table below %q", name, heading)
	}
	return table[2:]
}

// fenced are a document's code blocks in a language.
func fenced(t *testing.T, name, language string) (blocks []string) {
	t.Helper()
	block := regexp.MustCompile(fmt.Sprintf("(?ms)^( *)```%s\n(.*?)^ *```$", language))
	for _, m := range block.FindAllStringSubmatch(readDoc(t, name), -1) {
		blocks = append(blocks, strings.ReplaceAll("\n"+m[2], "\n"+m[1], "\n")[1:])
	}
	return blocks
}

func readDoc(t *testing.T, name string) string {
	t.Helper()
	text, err := os.ReadFile(name)
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}
