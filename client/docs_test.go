package client_test

import (
	"os"
	"strings"
	"testing"
)

// TestReadme checks that the READMEs' Go code equals the examples.
func TestReadme(t *testing.T) {
	for _, readme := range []string{"../README.md", "../README.zh-CN.md"} {
		text, err := os.ReadFile(readme)
		if err != nil {
			t.Fatal(err)
		}
		for name, end := range map[string]string{
			"ExampleClient_Messages": "\n\t// Output:", "ExampleBackend_Stream": "\n\tlist, _, err :=",
		} {
			if want := "```go\n" + exampleBody(t, name, end) + "```\n"; !strings.Contains(string(text), want) {
				t.Errorf("%s does not contain the body of %s:\n%s", readme, name, want)
			}
		}
	}
}

// exampleBody returns an example's code as shown in a README: up to its output comment, and
// without the lines that only serve the test.
func exampleBody(t *testing.T, name, end string) string {
	t.Helper()
	text, err := os.ReadFile("example_test.go")
	if err != nil {
		t.Fatal(err)
	}
	_, body, found := strings.Cut(string(text), "\nfunc "+name+"() {\n")
	body, _, ends := strings.Cut(body, end)
	if !found || !ends {
		t.Fatalf("there is no func %s", name)
	}
	var lines []string
	for line := range strings.Lines(body) {
		if !strings.HasSuffix(line, "// not in the README\n") {
			lines = append(lines, strings.TrimPrefix(line, "\t"))
		}
	}
	return strings.TrimSpace(strings.Join(lines, "")) + "\n"
}
