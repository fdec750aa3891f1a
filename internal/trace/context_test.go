package trace

import (
	"strings"
	"testing"
)

const parent = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"

func TestParse(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]bool{
		parent:                          true,
		strings.TrimSuffix(parent, "1"): false,
		parent + "-more":                false, // version 00 has nothing more
		"cc" + parent[2:] + "-more":     true,  // a later version may
		"cc" + parent[2:] + "more":      false,
		"ff" + parent[2:]:               false,
		strings.ToUpper(parent):         false,
		"00-00000000000000000000000000000000-b7ad6b7169203331-01": false,
		"00-0af7651916cd43dd8448eb211c80319c-0000000000000000-01": false,
		"00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-0g": false,
		"00_0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01": false,
		"": false,
	} {
		c, ok := Parse(text)
		if ok != want || !ok && c != (Context{}) {
			t.Errorf("%q: %v, %t, want %t", text, c, ok, want)
		}
	}
}

// TestForms: a context survives its text and its stored form.
func TestForms(t *testing.T) {
	t.Parallel()
	c, _ := Parse(parent)
	if got := c.String(); got != parent {
		t.Errorf("the text is %q, want %q", got, parent)
	}
	if got := Of(c.Stored()); got != c || len(c.Stored()) != storedSize {
		t.Errorf("stored and read it is %v, want %v", got, c)
	}
	if !c.Sampled() || (Context{Flags: flagSampled}).Sampled() || (Context{Trace: c.Trace, Span: c.Span}).Sampled() {
		t.Error("a context is sampled if it names a span and has the flag")
	}
	for _, stored := range []string{"", "x", c.Stored() + "x"} {
		if got := Of(stored); got != (Context{}) {
			t.Errorf("%q is read as %v", stored, got)
		}
	}
	if got := (Context{}).Stored(); got != "" {
		t.Errorf("no context is stored as %q", got)
	}
}

func FuzzParse(f *testing.F) {
	f.Add(parent)
	f.Fuzz(func(t *testing.T, text string) {
		if c, ok := Parse(text); ok && c.String()[3:] != text[3:textSize] {
			t.Fatalf("%q is read as %v", text, c)
		}
	})
}
