package payload

import (
	"errors"
	"strings"
	"testing"

	"github.com/wirepost/wirepost/internal/fault"
	"github.com/wirepost/wirepost/internal/jsonscan"
)

func nested(depth int) string { return strings.Repeat("[", depth) + strings.Repeat("]", depth) }

func TestCheck(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		contentType, data string
		raw               bool
		want, field       string // field: of the error
	}{
		{"", `{"a": [1, "x y"]}`, false, `{"a":[1,"x y"]}`, ""},
		{"application/ld+json", `{"a": 1}`, true, `{"a": 1}`, ""},
		{"", `{"a"}`, false, "", "data"},
		{"", `{"a"}`, true, "", "data"},
		{"", "\"\xff\"", false, "", "data"},
		{"", "", false, "", "data"},
		{"", nested(maxNesting), false, nested(maxNesting), ""},
		{"", nested(maxNesting + 1), false, "", "data"},
		{"", " " + nested(maxNesting+1), true, "", "data"},
		{"text/plain", "a b", false, "a b", ""},
		{"text/plain", "\xff", false, "", "data"},
		{"image/png", "\xff", false, "\xff", ""},
		{"text", "a", false, "", "type"},
		{"/plain", "a", false, "", "type"},
		{"text/plain; =", "a", false, "", "type"},
		{"text/" + strings.Repeat("x", maxType), "a", false, "", "type"},
	} {
		d, err := check(tt.contentType, tt.data, tt.raw)
		var refused *fault.Error
		switch {
		case tt.field == "" && (err != nil || string(d.Bytes()) != tt.want || d.ContentType() != tt.contentType):
			t.Errorf("%q %.40q: %q, %v", tt.contentType, tt.data, d.Bytes(), err)
		case tt.field != "" && (!errors.As(err, &refused) || refused.Field != tt.field || d.Bytes() != nil):
			t.Errorf("%q %.40q: %q, %v, want an error of %q", tt.contentType, tt.data, d.Bytes(), err, tt.field)
		}
	}
}

// TestCheckSaysWhere checks that an error names the position, and no character that the data
// does not have.
func TestCheckSaysWhere(t *testing.T) {
	t.Parallel()
	for data, want := range map[string]string{
		"您的订单已发货": "data: not JSON at byte 1: for text, set the content type to text/plain",
		`{"a":`:   "data: not JSON at byte 5: for text, set the content type to text/plain",
	} {
		if _, err := check("", data, false); err == nil || !strings.HasSuffix(err.Error(), want) {
			t.Errorf("%s: %v, want %q", data, err, want)
		}
	}
}

func check(contentType, data string, raw bool) (Data, error) {
	typ, err := ParseType("type", contentType)
	if err != nil {
		return Data{}, err
	}
	return typ.Check([]byte(data), raw)
}

func TestCopyJSON(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		contentType, value, want string
		ok                       bool
	}{
		{"", ` { "a" : "b c" } `, `{"a":"b c"}`, true},
		{"text/plain", `"a b"`, `a b`, true},
		{"text/plain", `"a\nb"`, ``, false},
		{"text/plain", `1`, ``, false},
		{"image/png", `"a"`, ``, false},
	} {
		typ, err := ParseType("", tt.contentType)
		if err != nil {
			t.Fatal(err)
		}
		given := []byte(tt.value)
		s := jsonscan.Scanner{B: given}
		value, _ := s.Text()
		d, ok := typ.CopyJSON(value)
		clear(given) // the result is a copy
		if ok != tt.ok || string(d.Bytes()) != tt.want {
			t.Errorf("%s as %q: %q, %t", tt.value, tt.contentType, d.Bytes(), ok)
		}
	}
}
