package main

import (
	"bytes"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/wirepost/wirepost/cmd/wirepost/manual"
)

// printed returns what the program prints.
func printed(t *testing.T, args ...string) string {
	t.Helper()
	var out, errs bytes.Buffer
	if status := run(args, nil, &terminal{Out: &out, Err: &errs}); status != exitOK {
		t.Fatalf("wirepost %v: %d: %s", args, status, errs.String())
	}
	return out.String()
}

// TestCompletion lets each installed shell complete command lines.
func TestCompletion(t *testing.T) {
	complete := map[string]string{
		"bash": `. "$1"; COMP_WORDS=($2); case $2 in *" ") COMP_WORDS+=("");; esac
			COMP_CWORD=$((${#COMP_WORDS[@]}-1)); _wirepost; printf '%s\n' "${COMPREPLY[@]}"`,
		"fish": `source $argv[1]; complete -C $argv[2] | string split -f 1 \t; true`,
	}
	for shell, script := range complete {
		t.Run(shell, func(t *testing.T) {
			path, err := exec.LookPath(shell)
			if err != nil {
				t.Skip("not installed")
			}
			file := filepath.Join(t.TempDir(), "completion")
			if err := os.WriteFile(file, []byte(printed(t, "completion", shell)), 0o600); err != nil {
				t.Fatal(err)
			}
			for line, want := range map[string]string{
				"wirepost clu":                          "cluster",
				"wirepost cluster s":                    "status",
				"wirepost serve --tls":                  "--tls-cert --tls-key",
				"wirepost serve --listen :80 --drain-d": "--drain-delay",
				"wirepost dev --no-e":                   "--no-echo",
			} {
				args := []string{"-c", script, file, line}
				if shell == "bash" {
					args = []string{"-c", script, shell, file, line}
				}
				out, err := exec.Command(path, args...).CombinedOutput()
				if got := strings.Fields(string(out)); err != nil || !slices.Equal(got, strings.Fields(want)) {
					t.Errorf("%q completes to %q, %v; want %s", line, out, err, want)
				}
			}
		})
	}
}

// TestCompletionOfEveryFlag checks that no command and no flag is missing, in any shell
// and in the manual page.
func TestCompletionOfEveryFlag(t *testing.T) {
	parser, err := newParser(&grammar{}, newSettings(nil), &terminal{})
	if err != nil {
		t.Fatal(err)
	}
	texts := map[string]string{"man": strings.ReplaceAll(printed(t, "man"), `\`, "")}
	for _, shell := range manual.Shells {
		texts[shell] = printed(t, "completion", shell)
	}
	for _, command := range parser.Model.Leaves(true) {
		for name, text := range texts {
			if !strings.Contains(text, command.Name) {
				t.Errorf("%s: no command %s", name, command.Name)
			}
			for _, flag := range command.Flags {
				want := "--" + flag.Name
				if name == "fish" {
					want = "-l " + flag.Name
				}
				if flag.Hidden == strings.Contains(text, want) && flag.Name != "date" {
					t.Errorf("%s: hidden: %t, but not so for %s of %s", name, flag.Hidden, want, command.Path())
				}
			}
		}
	}
}

// TestZshCompletion checks the syntax, as zsh completes only in a terminal.
func TestZshCompletion(t *testing.T) {
	zsh, err := exec.LookPath("zsh")
	if err != nil {
		t.Skip("not installed")
	}
	cmd := exec.Command(zsh, "-n", "/dev/stdin")
	cmd.Stdin = strings.NewReader(printed(t, "completion", "zsh"))
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Errorf("%v\n%s", err, out)
	}
}
