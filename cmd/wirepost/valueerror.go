package main

import (
	"cmp"
	"fmt"
	"regexp"
	"strings"

	"github.com/alecthomas/kong"
)

// An argument is a negative number, a long flag without a value, or a short one.
var (
	negativeNumber = regexp.MustCompile(`^-\.?[0-9]`)
	longFlag       = regexp.MustCompile(`(?s)^--[^=]*$`)
	shortFlag      = regexp.MustCompile(`(?s)^-[^=]$`)
)

// joinNegative joins a flag and the negative number after it, as in --window=-1. kong takes
// what begins with - for a flag, and would not say what the value is to be.
func joinNegative(args []string) []string {
	var joined []string
	for i, arg := range args {
		if arg == "--" {
			return append(joined, args[i:]...)
		}
		last := len(joined) - 1
		switch {
		case last < 0 || !negativeNumber.MatchString(arg) || negativeNumber.MatchString(joined[last]):
			joined = append(joined, arg)
		case longFlag.MatchString(joined[last]):
			joined[last] += "=" + arg
		case shortFlag.MatchString(joined[last]):
			joined[last] += arg
		default:
			joined = append(joined, arg)
		}
	}
	return joined
}

// What kong says about a flag that is none, and about the value of a flag, in errors without types.
var (
	valueMissing = regexp.MustCompile(`^(-[\w-]+): (?:expected \w+ value but got "([^"]*)"|missing value, expecting)`)
	valueNotBool = regexp.MustCompile(`^(-[\w-]+): bool value must be .* but got (".*")$`)
	unknownShort = regexp.MustCompile(`^unknown flag -[^-,]+`)
	valueInList  = regexp.MustCompile(`(?s)^(-[\w-]+): .* -> \*\S+: (.+)$`)
)

// wordValueError splits kong's error of a flag's value into the flag and what is expected of
// the value. About a list kong says all of it, in which there may be secrets. The context is
// needed on the command line only, where a value can be missing.
func wordValueError(err error, c *kong.Context) (flag, expected string, ok bool) {
	text := err.Error()
	if m := valueNotBool.FindStringSubmatch(text); m != nil {
		return m[1], m[2] + " is not true or false", true
	}
	if m := valueInList.FindStringSubmatch(text); m != nil {
		return m[1], m[2], true
	}
	m := valueMissing.FindStringSubmatch(text)
	if m == nil || c == nil {
		return "", "", false
	}
	expected = fmt.Sprintf("a value is needed, such as %s %s", m[1], placeholderOf(c, m[1]))
	if strings.HasPrefix(m[2], "-") {
		expected += fmt.Sprintf(", and %q is a flag; a value that begins with - is written %s=%s", m[2], m[1], m[2])
	}
	return m[1], expected, true
}

// placeholderOf returns what stands for the value of a flag in the help.
func placeholderOf(c *kong.Context, name string) string {
	for _, flag := range c.Flags() {
		if "--"+flag.Name == name {
			return cmp.Or(flag.PlaceHolder, "VALUE")
		}
	}
	return "VALUE"
}
