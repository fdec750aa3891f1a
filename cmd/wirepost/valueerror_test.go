package main

import (
	"io"
	"reflect"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/alecthomas/kong"
)

// TestValueErrors: each bad value of each flag of each command is one line that names the
// flag and what is expected, and shows numbers, however the value is written.
func TestValueErrors(t *testing.T) {
	t.Parallel()
	parser, err := newParser(&grammar{}, newSettings(nil), &terminal{Out: io.Discard, Err: io.Discard})
	if err != nil {
		t.Fatal(err)
	}
	refused := map[string]bool{} // flags of which a value is refused
	for _, command := range parser.Model.Leaves(true) {
		path := strings.Fields(command.FullPath())[1:]
		check := func(flag *kong.Flag, expected string, args ...string) {
			t.Helper()
			_, err := parseArgs(parser, slices.Concat(path, args))
			if err == nil {
				t.Errorf("%s %q is accepted", path, args)
				return
			}
			text := err.Error()
			rest, ok := strings.CutPrefix(text, "--"+flag.Name+": ")
			rest, see := strings.CutSuffix(rest, " (see "+command.FullPath()+" --help)")
			if !ok || !see || !strings.Contains(rest, expected) || strings.Contains(rest, "expected ") ||
				strings.Contains(rest, "->") || strings.ContainsAny(rest, "\n") {
				t.Errorf("%s %q: %s", path, args, text)
			}
		}
		for _, flag := range slices.Concat(command.AllFlags(false)...) {
			name := "--" + flag.Name
			switch {
			case flag.Name == "help" || flag.Name == "version":
				continue
			case flag.IsBool():
				check(flag, `"maybe" is not true or false`, name+"=maybe")
				continue
			}
			check(flag, "a value is needed, such as "+name+" ", name)
			for _, value := range []string{"-1", "-.5s", "x", "", "1e99", "99999999999999999999", "1,x"} {
				if flag.Parse(kong.Scan().PushTyped(value, kong.FlagValueToken), reflect.New(flag.Target.Type()).Elem()) == nil {
					continue
				}
				refused[flag.Name] = true
				expected := "" // of what is no number, the value may be secret
				if flag.Target.CanInt() || flag.Target.CanFloat() {
					expected = strconv.Quote(value) + " is not "
				}
				check(flag, expected, name+"="+value)
				check(flag, expected, name, value)
				if flag.Short != 0 && value != "" {
					check(flag, expected, "-"+string(flag.Short), value)
				}
			}
		}
	}
	for _, name := range []string{"window", "cluster-shards", "heartbeat", "max-message", "memory", "min-free", "message-rate", "count", "drain-delay"} {
		if !refused[name] {
			t.Errorf("no value of --%s is refused", name)
		}
	}
}

// TestJoinNegative: only a negative number after a flag is its value.
func TestJoinNegative(t *testing.T) {
	t.Parallel()
	for args, want := range map[string]string{
		"dev --window -1 --drain -.5s":    "dev --window=-1 --drain=-.5s",
		"echo -n -1":                      "echo -n-1",
		"push user:42 -1":                 "push user:42 -1",
		"push --key=a -1 -2":              "push --key=a -1 -2",
		"push -- --key -1":                "push -- --key -1",
		"dev --data -x --echo --window 1": "dev --data -x --echo --window 1",
	} {
		if got := strings.Join(joinNegative(strings.Fields(args)), " "); got != want {
			t.Errorf("%s: %s", args, got)
		}
	}
}
