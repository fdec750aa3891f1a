package strict

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"testing"
)

func TestObject(t *testing.T) {
	t.Parallel()
	for _, test := range []struct{ text, want string }{
		{`{}`, ""},
		{" { } ", ""},
		{`{"a":1,"A":2}`, "a=1 A=2"},
		{" {\n\"a\" : \"x\\\"}\" ,\t\"b\":[1,{\"c\":\"]\"}] , \"c\": null}\r\n", `a="x\"}" b=[1,{"c":"]"}] c=null`},
		{`{"\u0061":-1.5e3}`, "a=-1.5e3"},
		{`{"a":{"a":1},"b":[[]]}`, `a={"a":1} b=[[]]`},
		{`{"a":1,"a":2}`, `a=1 the field "a" is given twice`},
		{`{"a":1,"\u0061":2}`, `a=1 the field "a" is given twice`},
		{`{"\ud800":1}`, "a field's name is not valid Unicode"},
		{"{\"\xff\":1}", "a field's name is not valid Unicode"},
		{`[]`, "not a JSON object"},
		{`1`, "not a JSON object"},
		{`"{}"`, "not a JSON object"},
		{`{"a":1`, "unexpected end of JSON input"},
		{`{"a":1}x`, "invalid character 'x' after top-level value"},
		{``, "unexpected end of JSON input"},
	} {
		var got []string
		err := Object([]byte(test.text), func(name string, value []byte) error {
			got = append(got, name+"="+string(value))
			return nil
		})
		if err != nil {
			got = append(got, err.Error())
		}
		if s := strings.Join(got, " "); !strings.HasPrefix(s, test.want) || test.want == "" && s != "" {
			t.Errorf("%s: got %s", test.text, s)
		}
	}
}

func TestMember(t *testing.T) {
	t.Parallel()
	for _, test := range []struct{ text, want string }{
		{`{"ref":1}`, "1"},
		{`{"a":1,"a":2,"\u0072ef" : "x" }`, `"x"`},
		{`{"\ud800":1,"ref":[1]}`, "[1]"},
		{`{"ref":1,"ref":1}`, ""},
		{`{"ref":null,"ref":1,"ref":2}`, ""},
		{`{"REF":1,"a":{"ref":1}}`, ""},
		{`{"ref":1`, ""},
		{`["ref"]`, ""},
		{``, ""},
	} {
		if got := Member([]byte(test.text), "ref"); string(got) != test.want {
			t.Errorf("%s: got %s", test.text, got)
		}
	}
}

// Duplicates are found among many names, too.
func TestObjectWithManyNames(t *testing.T) {
	t.Parallel()
	var b strings.Builder
	for i := range 1000 {
		fmt.Fprintf(&b, `"n%d":%d,`, i, i)
	}
	count := 0
	err := Object([]byte("{"+b.String()+`"n999":0}`), func(string, []byte) error { count++; return nil })
	if want := DuplicateError("n999"); !errors.Is(err, want) || count != 1000 {
		t.Errorf("after %d: %v", count, err)
	}
}

func TestString(t *testing.T) {
	t.Parallel()
	for _, test := range []struct {
		text, want string
		err        error
	}{
		{`"a"`, "a", nil},
		{`"\ud83d\ude00"`, "😀", nil},
		{`"\\ud800"`, `\ud800`, nil},
		{`"\ufffd"`, "\ufffd", nil},
		{`"\ud800"`, "", ErrNotUnicode},
		{`"\udc00"`, "", ErrNotUnicode},
		{`"\ud800\ud800"`, "", ErrNotUnicode},
		{`"\ud800\u0041"`, "", ErrNotUnicode},
		{`"\ud83d\ude00\ude00"`, "", ErrNotUnicode},
		{"\"\xff\"", "", ErrNotUnicode},
	} {
		if got, err := String([]byte(test.text)); got != test.want || !errors.Is(err, test.err) {
			t.Errorf("%s: %q, %v", test.text, got, err)
		}
	}
	for _, text := range []string{"1", "null", "[]", "{}", "true"} {
		if _, err := String([]byte(text)); err == nil {
			t.Errorf("%s is taken for a string", text)
		}
	}
}

// FuzzObject compares Object with encoding/json, which reads the same members if no name
// is duplicated.
func FuzzObject(f *testing.F) {
	for _, s := range []string{`{}`, `{"a":1,"A":[{"b":"]"}]}`, `{"a" : "\"" , "b":null}`, `{"a":1,"a":2}`, `{"\ud800":1}`, `[1]`, `{`} {
		f.Add([]byte(s))
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		got := map[string]json.RawMessage{}
		err := Object(data, func(name string, value []byte) error {
			if _, twice := got[name]; twice {
				t.Fatalf("%q appears twice", name)
			}
			got[name] = value
			return nil
		})
		var want map[string]json.RawMessage
		wrong := json.Unmarshal(data, &want)
		switch {
		case wrong != nil && err == nil:
			t.Fatalf("%s is taken, encoding/json says %v", data, wrong)
		case err != nil:
			return
		case len(got) != len(want):
			t.Fatalf("%s: %d members, want %d", data, len(got), len(want))
		}
		for name, value := range want {
			if !bytes.Equal(got[name], value) {
				t.Fatalf("%s: %q is %s, want %s", data, name, got[name], value)
			}
			if s, err := String(got[name]); err == nil {
				var same string
				if json.Unmarshal(value, &same) != nil || same != s {
					t.Fatalf("%s is %q", value, s)
				}
			}
		}
	})
}

// TestBroken: the error of broken JSON names the character that is wrong, and a byte only
// where there is no character.
func TestBroken(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]string{
		`{"a":x}`:         `broken JSON at byte 6: invalid character 'x' looking for beginning of value`,
		`{"a":中}`:         `broken JSON at byte 6: invalid character '中' looking for beginning of value`,
		`{"a":"\中"}`:      `broken JSON at byte 8: invalid character '中' in string escape code`,
		"{\"a\":\u00a01}": `broken JSON at byte 6: invalid character '\u00a0' looking for beginning of value`,
		"{\"a\":\xe6}":    `broken JSON at byte 6: invalid byte 0xe6 looking for beginning of value`,
		"{\"a\":\x01}":    `broken JSON at byte 6: invalid character '\x01' looking for beginning of value`,
		`{"a":`:           `broken JSON at byte 5: unexpected end of JSON input`,
		`{"a":'b'}`:       `broken JSON at byte 6: invalid character '\'' looking for beginning of value`,
	} {
		err := json.Unmarshal([]byte(text), new(json.RawMessage))
		syntax, ok := errors.AsType[*json.SyntaxError](err)
		if !ok {
			t.Fatalf("%q: %v", text, err)
		}
		if got := Broken([]byte(text), syntax); got != want {
			t.Errorf("%q: %s, want %s", text, got, want)
		}
	}
}
