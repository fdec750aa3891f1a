package wirepost_test

import (
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
)

// logLine is a line that the command may log.
type logLine struct {
	message    string // up to what is not constant in it
	level      string // "" if it depends
	attributes []string
	at         string
}

// unlogged are directories with programs and packages that serve has nothing of.
var unlogged = []string{"bench", "examples", "release", "internal/pgtest", "internal/torture", "internal/testlog", "engine/enginetest", "engine/cluster/logtest"}

// TestLogsDocumented compares docs/logs.md with the lines that the source logs at the level
// info or above: each has a row with its level and attributes, and each row is of one.
func TestLogsDocumented(t *testing.T) {
	t.Parallel()
	lines := loggedLines(t)
	if len(lines) < 100 {
		t.Fatalf("found %d calls of a logger", len(lines))
	}
	documented := map[string][]string{}
	for _, row := range tableRows(t, "docs/logs.md") {
		documented[strings.Trim(row[0], "`")] = row
	}
	used := map[string]bool{}
	for _, l := range lines {
		row, ok := documented[l.message]
		if !ok {
			t.Errorf("%s: docs/logs.md does not have %q, %s %v", l.at, l.message, l.level, l.attributes)
			continue
		}
		used[l.message] = true
		if l.level != "" && !strings.Contains(row[1], l.level) {
			t.Errorf("%s: %q has the level %s, docs/logs.md says %s", l.at, l.message, l.level, row[1])
		}
		for _, a := range l.attributes {
			if !strings.Contains(row[2], "`"+a+"`") {
				t.Errorf("%s: %q has the attribute %s, docs/logs.md says %s", l.at, l.message, a, row[2])
			}
		}
	}
	for message := range documented {
		if !used[message] {
			t.Errorf("docs/logs.md has %q, which nothing logs", message)
		}
	}
	var chinese []string
	for _, row := range tableRows(t, "docs/zh-CN/logs.md") {
		chinese = append(chinese, row[0])
	}
	var english []string
	for _, row := range tableRows(t, "docs/logs.md") {
		english = append(english, row[0])
	}
	if !slices.Equal(english, chinese) {
		t.Error("docs/zh-CN/logs.md has other messages, or in another order")
	}
}

// tableRows are the rows of all tables of a document that begin with code.
func tableRows(t *testing.T, name string) (rows [][]string) {
	t.Helper()
	for line := range strings.Lines(readDoc(t, name)) {
		line = strings.TrimSpace(line)
		if strings.HasPrefix(line, "| `") {
			cells := strings.Split(strings.Trim(line, "|"), " | ")
			for i := range cells {
				cells[i] = strings.TrimSpace(cells[i])
			}
			if len(cells) != 4 {
				t.Fatalf("%s: the row %q has %d cells, not 4", name, line, len(cells))
			}
			rows = append(rows, cells)
		}
	}
	return rows
}

// loggedLines finds the calls of loggers in this module.
func loggedLines(t *testing.T) (lines []logLine) {
	t.Helper()
	err := filepath.WalkDir(".", func(path string, d fs.DirEntry, err error) error {
		switch {
		case err != nil:
			return err
		case d.IsDir() && (slices.Contains(unlogged, filepath.ToSlash(path)) || path != "." && strings.HasPrefix(d.Name(), ".") || d.Name() == "node_modules"):
			return filepath.SkipDir
		case d.IsDir() || !strings.HasSuffix(path, ".go") || strings.HasSuffix(path, "_test.go"):
			return nil
		}
		set := token.NewFileSet()
		file, err := parser.ParseFile(set, path, nil, parser.SkipObjectResolution)
		if err != nil {
			return err
		}
		ast.Inspect(file, func(n ast.Node) bool {
			if call, ok := n.(*ast.CallExpr); ok {
				if l, ok := loggedBy(call); ok {
					l.at = set.Position(call.Pos()).String()
					lines = append(lines, l)
				}
			}
			return true
		})
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return lines
}

// loggedBy returns what a call logs, if it is one of a slog.Logger with a constant message.
func loggedBy(call *ast.CallExpr) (l logLine, ok bool) {
	f, ok := call.Fun.(*ast.SelectorExpr)
	if !ok {
		return l, false
	}
	args := call.Args
	switch f.Sel.Name {
	case "Info", "Warn", "Error":
		l.level = strings.ToLower(f.Sel.Name)
	case "Log":
		if len(args) < 3 {
			return l, false
		}
		args = args[2:]
	default:
		return l, false
	}
	if len(args) == 0 {
		return l, false
	}
	text, whole := constantStart(args[0])
	if !isLogger(f.X) || text == "" {
		return l, false
	}
	l.message = text
	if !whole {
		l.message = strings.TrimRight(text, " ") + " …"
	}
	for i := 1; i < len(args); i += 2 {
		if key, whole := constantStart(args[i]); whole {
			l.attributes = append(l.attributes, key)
		} else {
			break // the rest is a list
		}
	}
	return l, true
}

// constantStart returns a string literal, or the one that an expression starts with.
func constantStart(e ast.Expr) (text string, whole bool) {
	switch e := e.(type) {
	case *ast.BasicLit:
		text, err := strconv.Unquote(e.Value)
		return text, err == nil && e.Kind == token.STRING
	case *ast.BinaryExpr:
		text, _ := constantStart(e.X)
		return text, false
	}
	return "", false
}

// isLogger reports whether an expression is called as loggers are here: log, logger, Log,
// Logger, or a field of that name.
func isLogger(e ast.Expr) bool {
	name := ""
	switch e := e.(type) {
	case *ast.Ident:
		name = e.Name
	case *ast.SelectorExpr:
		name = e.Sel.Name
	}
	return strings.EqualFold(name, "log") || strings.EqualFold(name, "logger") || name == "to"
}
