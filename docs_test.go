package wirepost_test

import (
	"bufio"
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"

	"github.com/wirepost/wirepost/internal/wire"
)

// These tests compare the documents with the code, so that neither changes without the
// other.

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

// exampleBody is an example's code as a README shows it: without its output and the
// lines that only serve the test.
func exampleBody(t *testing.T, name string) string {
	t.Helper()
	_, body, found := strings.Cut(readDoc(t, "example_test.go"), "\nfunc "+name+"() {\n")
	body, _, ends := strings.Cut(body, "\n\t// Output:")
	if !found || !ends {
		t.Fatalf("func %s with an output not found", name)
	}
	var lines []string
	for line := range strings.Lines(body) {
		if !strings.HasSuffix(line, "// not in the README\n") {
			lines = append(lines, strings.TrimPrefix(line, "\t"))
		}
	}
	return strings.TrimSpace(strings.Join(lines, "")) + "\n"
}

// TestCloseCodesDocumented compares the table of close codes with the one shared by
// server and clients.
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
		t.Errorf("docs/protocol.md has the error codes %v, want %v", got, want)
	}
}

// TestMetricsDocumented checks that each metric of the server is in the docs.
func TestMetricsDocumented(t *testing.T) {
	t.Parallel()
	files, err := filepath.Glob("prometheus/*.go")
	if err != nil {
		t.Fatal(err)
	}
	docs, found := readDoc(t, "docs/http-api.md")+readDoc(t, "docs/events.md"), 0
	for _, file := range files {
		if strings.HasSuffix(file, "_test.go") {
			continue
		}
		for _, m := range regexp.MustCompile(`"(wirepost_[a-z_]+)"`).FindAllStringSubmatch(readDoc(t, file), -1) {
			if found++; !strings.Contains(docs, "`"+m[1]+"`") && !strings.Contains(docs, "`"+m[1]+"{") {
				t.Errorf("%s has %s, which is not in docs/http-api.md or docs/events.md", file, m[1])
			}
		}
	}
	if found < 30 {
		t.Errorf("only %d metrics were found", found)
	}
}

// TestRoutesDocumented checks that each route of the API has a heading.
func TestRoutesDocumented(t *testing.T) {
	t.Parallel()
	var api struct {
		Paths map[string]map[string]json.RawMessage `json:"paths"`
	}
	if err := json.Unmarshal([]byte(readDoc(t, "httpapi/openapi.json")), &api); err != nil {
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

// TestCommandDocumented compares docs/configuration.md with the command.
func TestCommandDocumented(t *testing.T) {
	t.Parallel()
	command := theCommand(t)
	t.Run("flags", func(t *testing.T) { testFlagsDocumented(t, command) })
	t.Run("example", func(t *testing.T) { testExampleStarts(t, command) })
}

// theCommand returns the path of the command, which is built once.
func theCommand(t *testing.T) string {
	t.Helper()
	path, err := buildCommand()
	if err != nil {
		t.Fatal(err)
	}
	return path
}

// commandDir is where the command is built. TestMain removes it.
var commandDir string

var buildCommand = sync.OnceValues(func() (path string, err error) {
	if commandDir, err = os.MkdirTemp("", "wirepost"); err != nil {
		return "", err
	}
	path = filepath.Join(commandDir, "wirepost")
	if out, err := exec.Command("go", "build", "-o", path, "./cmd/wirepost").CombinedOutput(); err != nil {
		return "", fmt.Errorf("go build: %w\n%s", err, out)
	}
	return path, nil
})

// testFlagsDocumented compares the flags of each command, and their defaults, with
// the tables.
func testFlagsDocumented(t *testing.T, command string) {
	documented := map[string]string{} // flag to default
	flag := regexp.MustCompile("`--([a-z-]+)`")
	for line := range strings.Lines(readDoc(t, "docs/configuration.md")) {
		cells := strings.Split(line, "|")
		if len(cells) < 5 || !strings.Contains(cells[1], "`--") {
			continue
		}
		for _, m := range flag.FindAllStringSubmatch(cells[1], -1) {
			documented[m[1]] = strings.Trim(cells[2], " `")
		}
	}
	known := map[string]bool{"help": true, "version": true}
	for _, name := range []string{"dev", "serve", "push", "listen", "token", "echo", "health"} {
		for flag, value := range helpOf(t, command, name) {
			if known[flag] = true; flag == "help" || flag == "version" {
				continue
			}
			said, ok := documented[flag]
			switch {
			case !ok:
				t.Errorf("docs/configuration.md lacks --%s of wirepost %s", flag, name)
			case value != "" && said != value && !strings.Contains(value, " "):
				t.Errorf("docs/configuration.md says that the default of --%s is %q, wirepost %s says %q", flag, said, name, value)
			}
		}
	}
	for flag := range documented {
		if !known[flag] {
			t.Errorf("docs/configuration.md describes --%s, which no command has", flag)
		}
	}
}

// helpOf returns the flags in a command's help, with the defaults that it shows.
func helpOf(t *testing.T, command, name string) map[string]string {
	t.Helper()
	help, err := exec.Command(command, name, "--help").Output()
	if err != nil {
		t.Fatal(err)
	}
	_, list, found := strings.Cut(string(help), "\nFlags:\n")
	if !found {
		t.Fatalf("wirepost %s --help lists no flags:\n%s", name, help)
	}
	flags := map[string]string{}
	text := strings.Join(strings.Fields(list), " ")
	flag := regexp.MustCompile(`(?:^| )--(?:\[no-\])?([a-z-]+)`)
	value := regexp.MustCompile(`\(default:? ([^)]+)\)`)
	starts := flag.FindAllStringSubmatchIndex(text, -1)
	for i, at := range starts {
		end := len(text)
		if i+1 < len(starts) {
			end = starts[i+1][0]
		}
		flags[text[at[2]:at[3]]] = ""
		if m := value.FindStringSubmatch(text[at[0]:end]); m != nil {
			flags[text[at[2]:at[3]]] = m[1]
		}
	}
	return flags
}

// testExampleStarts starts a server with the file in the document.
func testExampleStarts(t *testing.T, command string) {
	dir := t.TempDir()
	file := filepath.Join(dir, "wirepost.yml")
	if err := os.WriteFile(file, []byte(fenced(t, "docs/configuration.md", "yaml")[0]), 0o600); err != nil {
		t.Fatal(err)
	}
	server := exec.Command(command, "serve", "--config", file, "--listen", "127.0.0.1:0")
	server.Dir = dir
	server.Stderr = os.Stderr
	server.Env = slices.DeleteFunc(os.Environ(), func(v string) bool { return strings.HasPrefix(v, "WIREPOST_") })
	server.Env = append(server.Env, "WIREPOST_LOG_LEVEL=warn")
	out, err := server.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := server.Start(); err != nil {
		t.Fatal(err)
	}
	first, err := bufio.NewReader(out).ReadString('\n')
	if !strings.HasPrefix(first, "listening http://127.0.0.1:") {
		t.Errorf("its first line is %q (%v)", first, err)
	}
	if err := server.Process.Signal(os.Interrupt); err != nil {
		t.Error(err)
	}
	if err := server.Wait(); err != nil {
		t.Error(err)
	}
}

// TestJSONInDocs parses every JSON block, line by line if it has several objects.
func TestJSONInDocs(t *testing.T) {
	t.Parallel()
	for _, name := range []string{"README.md", "README.zh-CN.md", "docs/protocol.md", "docs/http-api.md"} {
		for _, block := range fenced(t, name, "json") {
			if json.Valid([]byte(block)) {
				continue
			}
			for line := range strings.Lines(block) {
				if !json.Valid([]byte(line)) {
					t.Errorf("%s: not JSON: %s", name, line)
				}
			}
		}
	}
}

// TestLinksInDocs checks the links within the repository.
func TestLinksInDocs(t *testing.T) {
	t.Parallel()
	link := regexp.MustCompile(`\]\(([^)#:]*)(#[^)]+)?\)`)
	var pages []string
	for _, pattern := range []string{"*.md", "docs/*.md", "docs/*/*.md", "examples/*.md", "js/*.md"} {
		found, err := filepath.Glob(pattern)
		if err != nil {
			t.Fatal(err)
		}
		pages = append(pages, found...)
	}
	for _, name := range pages {
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
				t.Errorf("%s links to %s: the heading does not exist", name, m[0])
			}
		}
	}
}

// anchors lists the anchors of the headings, as GitHub makes them.
func anchors(markdown string) (list []string) {
	drop := regexp.MustCompile(`[^\p{L}\p{N} _-]`)
	for _, m := range regexp.MustCompile(`(?m)^#+ (.*)$`).FindAllStringSubmatch(markdown, -1) {
		a := strings.ReplaceAll(drop.ReplaceAllString(strings.ToLower(m[1]), ""), " ", "-")
		list = append(list, a)
	}
	return list
}

// rows returns the rows of the first table below a heading, without its header.
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

// fenced returns a document's code blocks in a language.
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
