package wirepost_test

import (
	"bufio"
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
)

// The Go code on the how-to pages in docs compiles, and the commands print the output
// that the page shows.

// taskPages are the how-to pages; the value is the server that their commands use.
var taskPages = map[string]string{
	"push-from-your-backend": "dev",
	"embed-in-gin":           "",
	"log-users-in":           "serve",
	"offline-and-unread":     "dev",
	"groups":                 "dev",
	"from-gorilla-websocket": "",
	"from-centrifugo":        "dev",
	"behind-a-proxy":         "",
	"presence":               "",
}

// TestGoInDocs compiles every Go block: those with Gin in the module of the examples,
// the others in this one. A block that is not a program is completed by program.
func TestGoInDocs(t *testing.T) {
	t.Parallel()
	for _, module := range []string{".", "examples"} {
		t.Run(module, func(t *testing.T) {
			t.Parallel()
			dir, overlay := t.TempDir(), map[string]string{}
			for page := range taskPages {
				for i, block := range fenced(t, "docs/"+page+".md", "go") {
					if usesGin.MatchString(block) != (module == "examples") {
						continue
					}
					name := fmt.Sprintf("%s-%d", page, i+1)
					path, err := filepath.Abs(filepath.Join(module, "docs", name, "main.go"))
					if err != nil {
						t.Fatal(err)
					}
					overlay[path] = write(t, dir, name+".go", []byte(program(block)))
				}
			}
			text, err := json.Marshal(map[string]any{"Replace": overlay})
			if err != nil {
				t.Fatal(err)
			}
			build := exec.Command("go", "build", "-overlay", write(t, dir, "overlay.json", text), "./docs/...")
			build.Dir = module
			if out, err := build.CombinedOutput(); err != nil {
				t.Errorf("%v\n%s", err, out)
			}
		})
	}
}

var usesGin = regexp.MustCompile(`\bgin\.|\brouter\b`)

func write(t *testing.T, dir, name string, text []byte) string {
	t.Helper()
	file := filepath.Join(dir, name)
	if err := os.WriteFile(file, text, 0o600); err != nil {
		t.Fatal(err)
	}
	return file
}

// packages are those that blocks may use without importing them.
var packages = map[string]string{
	"context": "context", "errors": "errors", "fmt": "fmt", "http": "net/http", "io": "io",
	"json": "encoding/json", "log": "log", "math": "math", "os": "os", "strings": "strings", "time": "time",
	"acks": "github.com/wirepost/wirepost/acks", "httpapi": "github.com/wirepost/wirepost/httpapi",
	"console": "github.com/wirepost/wirepost/console",
	"client":  "github.com/wirepost/wirepost/client", "gin": "github.com/gin-gonic/gin",
	"js": "github.com/wirepost/wirepost/js", "jwt": "github.com/golang-jwt/jwt/v5",
	"metrics":  "github.com/wirepost/wirepost/prometheus",
	"pebble":   "github.com/wirepost/wirepost/engine/pebble",
	"promhttp": "github.com/prometheus/client_golang/prometheus/promhttp", "prometheus": "github.com/prometheus/client_golang/prometheus",
	"wirepost": "github.com/wirepost/wirepost",
}

// surroundings declares names that the pages use without showing them.
var surroundings = []string{
	"func userOfSession(*http.Request) (string, error) { return \"\", nil }",
	"func authenticate(*http.Request) (wirepost.Identity, error) { return wirepost.Identity{}, nil }",
	"func tokenFor(user string, secret []byte) (string, error) { return \"\", nil }",
	"var key, secret string",
	"var c *client.Client",
	"func isMember(user, channel string) bool { return true }",
	"func handle(wirepost.Message) {}",
	"func store(seq uint64) {}",
	"func stored() uint64 { return 0 }",
}

// program makes a package of a block: imports are added to declarations, and a function
// is put around statements. It is never named main, so nothing is linked.
func program(block string) string {
	if strings.HasPrefix(block, "package main\n") {
		return strings.Replace(block, "main", "program", 1)
	}
	body := block
	if !regexp.MustCompile(`(?m)^(func|type|var) `).MatchString(block) {
		router := ""
		if usesGin.MatchString(block) {
			router = "router *gin.Engine, "
		}
		body = "func block(ctx context.Context, " + router + "mux *http.ServeMux, srv *wirepost.Server, user string) (err error) {\n" +
			block + "\nreturn nil\n}\n"
	}
	for _, text := range surroundings {
		if name := strings.FieldsFunc(text, func(r rune) bool { return strings.ContainsRune(" (,", r) })[1]; !strings.Contains(block, "func "+name) {
			body += text + "\n"
		}
	}
	var imports []string
	for name, path := range packages {
		if regexp.MustCompile(`\b` + name + `\.[A-Z]`).MatchString(body) {
			imports = append(imports, fmt.Sprintf("import %s %q\n", name, path))
		}
	}
	slices.Sort(imports)
	return "package block\n" + strings.Join(imports, "") + body
}

// TestCommandsInDocs runs the commands of each page, in order, against its own server,
// and compares their output.
func TestCommandsInDocs(t *testing.T) {
	t.Parallel()
	if _, err := exec.LookPath("curl"); err != nil {
		t.Skip("curl is not installed")
	}
	bin := filepath.Dir(theCommand(t))
	for page, mode := range taskPages {
		if mode != "" {
			t.Run(page, func(t *testing.T) {
				t.Parallel()
				s := startShell(t, bin, mode)
				for _, block := range fenced(t, "docs/"+page+".md", "console") {
					s.follow(block)
				}
				s.interpret("python", fenced(t, "docs/"+page+".md", "python"), "python3", "-")
				s.interpret("js", fenced(t, "docs/"+page+".md", "js"), "node", "--input-type=module", "-")
			})
		}
	}
}

// shell is a POSIX shell, and a server, for one page.
type shell struct {
	t   *testing.T
	env []string
	url string
}

func startShell(t *testing.T, bin, mode string) *shell {
	t.Helper()
	s := &shell{t: t}
	s.env = slices.DeleteFunc(os.Environ(), func(v string) bool { return strings.HasPrefix(v, "WIREPOST_") })
	s.env = append(s.env, "PATH="+bin+string(os.PathListSeparator)+os.Getenv("PATH"), "WIREPOST_LOG_LEVEL=error")
	if mode == "serve" {
		s.env = append(s.env, "WIREPOST_API_KEY=the-key-of-the-pages-and-their-test",
			"WIREPOST_TOKEN_SECRET=the secret of the pages and of their test")
	}
	server := exec.Command(filepath.Join(bin, "wirepost"), mode, "--listen", "127.0.0.1:0", "--data", t.TempDir())
	server.Env, server.Stderr = s.env, t.Output()
	out, err := server.StdoutPipe()
	if err == nil {
		err = server.Start()
	}
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		server.Process.Kill() //nolint:errcheck // it may have exited
		server.Wait()         //nolint:errcheck // it was killed
	})
	first, err := bufio.NewReader(out).ReadString('\n')
	if s.url = strings.TrimSpace(strings.TrimPrefix(first, "listening ")); err != nil || s.url == "" {
		t.Fatalf("%q, %v", first, err)
	}
	return s
}

// goesOn matches a command that continues in the next line.
var goesOn = regexp.MustCompile(`[\\|]\s*$`)

// follow runs the commands of a block in one shell.
func (s *shell) follow(block string) {
	s.t.Helper()
	var script, want strings.Builder
	for line := range strings.Lines(block) {
		if command, ok := strings.CutPrefix(line, "$ "); ok {
			script.WriteString("\n" + command)
		} else if goesOn.MatchString(script.String()) {
			script.WriteString(line)
		} else {
			want.WriteString(line)
		}
	}
	cmd := exec.Command("sh", "-c", s.local(script.String()))
	cmd.Env = s.env
	out, err := cmd.CombinedOutput()
	got := strings.ReplaceAll(string(out), s.url, "http://127.0.0.1:8080")
	if err != nil || normal(got) != normal(want.String()) {
		s.t.Errorf("%s\nerror: %v\noutput:\n%s\nThe page says:\n%s", script.String(), err, normal(got), normal(want.String()))
	}
}

func (s *shell) local(text string) string {
	text = strings.ReplaceAll(text, "curl ", "curl -s ")
	return strings.ReplaceAll(text, "http://127.0.0.1:8080", s.url)
}

// interpret runs the blocks of another language that begin with a marked line.
func (s *shell) interpret(language string, blocks []string, name string, args ...string) {
	s.t.Helper()
	if _, err := exec.LookPath(name); err != nil {
		return
	}
	for _, block := range blocks {
		if !strings.Contains(block, "http://127.0.0.1:8080") || strings.Contains(block, "WebSocket") {
			continue // for a browser
		}
		cmd := exec.Command(name, args...)
		cmd.Env, cmd.Stdin = s.env, strings.NewReader(strings.ReplaceAll(block, "http://127.0.0.1:8080", s.url))
		if out, err := cmd.CombinedOutput(); err != nil {
			s.t.Errorf("%s: %v\n%s%s", language, err, block, out)
		}
	}
}

// normal replaces the parts that differ between runs.
func normal(text string) string {
	for pattern, to := range map[string]string{
		`"(id|connection)":"[a-z0-9]{16}"`:                     `"$1":"…"`,
		`"(time|since|expires|at|uptime_ms|memory_bytes)":\d+`: `"$1":0`,
		`"cursor":"[^"]*"`:                                     `"cursor":"…"`,
		`(?m)^Date: .*\r?\n`:                                   "",
		`\r\n`:                                                 "\n",
	} {
		text = regexp.MustCompile(pattern).ReplaceAllString(text, to)
	}
	return strings.TrimSpace(text)
}
