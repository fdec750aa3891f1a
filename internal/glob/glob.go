// Package glob matches names against patterns in which * stands for any run of
// characters, including none. No other character is special.
package glob

import "strings"

// Match reports whether name matches the pattern. It takes time in proportion to
// the length of both.
func Match(pattern, name string) bool {
	head, rest, star := strings.Cut(pattern, "*")
	if !star {
		return pattern == name
	}
	name, ok := strings.CutPrefix(name, head)
	if !ok {
		return false
	}
	for {
		// The leftmost match of each part leaves most room for the parts after it.
		part, more, star := strings.Cut(rest, "*")
		if !star {
			return strings.HasSuffix(name, part)
		}
		i := strings.Index(name, part)
		if i < 0 {
			return false
		}
		name, rest = name[i+len(part):], more
	}
}

// Covers reports whether every name that the narrow pattern matches is matched by the
// wide one. It may miss that; it never reports it where it is not so.
//
// Match takes each * of narrow for a character. What the text of wide matches in
// narrow is then text of every name, as no text of a pattern has a *; the rest lies in
// what the stars of wide stand for.
func Covers(wide, narrow string) bool { return Match(wide, narrow) }
