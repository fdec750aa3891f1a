// Package glob matches names against patterns in which * stands for any run of
// characters, including none. No other character is special.
package glob

import "strings"

// Match reports whether name matches the pattern. It takes time proportional to the length
// of both.
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
// wide one. It may return false although that is so, but never true although it is not.
//
// Match treats each * of narrow as an ordinary character. Literal text of wide contains no
// *, so it matches only literal text of narrow, which every name contains; everything else
// is matched by a * of wide.
func Covers(wide, narrow string) bool { return Match(wide, narrow) }
