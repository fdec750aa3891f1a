package names

import (
	"strings"
	"testing"
	"unicode"
)

// TestCheckRunes compares the fast check of ASCII names with the rule, for each
// character in a name that has only ASCII and in one that has not.
func TestCheckRunes(t *testing.T) {
	t.Parallel()
	for r := rune(0); r <= 0x3ff; r++ {
		allowed := unicode.IsPrint(r) && !unicode.IsSpace(r) && !strings.ContainsRune("*?,", r)
		for _, name := range []string{string(r), "a" + string(r), string(r) + "ü"} {
			if err := CheckChannel(name); (err == nil) != (allowed && name[0] != '$') {
				t.Errorf("%q: %v", name, err)
			}
		}
	}
	if CheckChannel("a\xff") == nil {
		t.Error("a name that is not valid UTF-8 was accepted")
	}
}

func BenchmarkCheckChannel(b *testing.B) {
	for b.Loop() {
		if err := CheckChannel("user:123456"); err != nil {
			b.Fatal(err)
		}
	}
}
