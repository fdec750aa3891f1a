package jsonscan_test

import (
	"bytes"
	"encoding/json"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/wirepost/wirepost/internal/jsonscan"
)

func TestIsCompact(t *testing.T) {
	t.Parallel()
	for _, text := range []string{`1`, `"é\u00e9 x"`, `{"a":[1,-0.5e3,null,true]}`, `[]`, strings.Repeat("[", 64)[:63] + strings.Repeat("]", 63)} {
		if !jsonscan.IsCompact([]byte(text)) {
			t.Errorf("%s is compact", text)
		}
	}
	for _, text := range []string{``, ` 1`, `1 `, `[1, 2]`, "{\n}", `1 2`, `{`, `01`, `"\xff"`, "\"\xff\"", `{"a":1,}`, strings.Repeat("[", 65) + strings.Repeat("]", 65)} {
		if jsonscan.IsCompact([]byte(text)) {
			t.Errorf("%q is not compact", text)
		}
	}
}

// FuzzIsCompact: what IsCompact accepts is compact according to encoding/json.
func FuzzIsCompact(f *testing.F) {
	for _, text := range []string{`{"a":[1,2.5e-3,"x\n"],"b":null}`, `[ 1 ]`, `"\ud800"`, "\"\x80\"", `-`} {
		f.Add([]byte(text))
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		if !jsonscan.IsCompact(data) {
			return
		}
		var compact bytes.Buffer
		if err := json.Compact(&compact, data); err != nil || !bytes.Equal(compact.Bytes(), data) || !utf8.Valid(data) {
			t.Errorf("%q: %q %v", data, compact.Bytes(), err)
		}
	})
}

// FuzzCompact: a text is what encoding/json takes, too, and has the same compact form.
func FuzzCompact(f *testing.F) {
	for _, text := range []string{` { "a" : [ 1 , "x \\" y " ] , "b" : { } } `, `"\\" `, `[ ]`, "\t-1e3\r\n", `"a\u0020 b"`, "\"\x80\"", ` [ " \" ] " ] `} {
		f.Add([]byte(text))
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		s := jsonscan.Scanner{B: data}
		text, ok := s.Text()
		if !ok {
			return
		}
		var want bytes.Buffer
		if err := json.Compact(&want, text.Bytes()); err != nil || want.String() != string(text.Compact()) || !utf8.Valid(text.Bytes()) {
			t.Errorf("%q: %q, want %q, %v", text.Bytes(), text.Compact(), want.Bytes(), err)
		}
	})
}

func BenchmarkIsCompact(b *testing.B) {
	data := []byte(`{"type":"order.shipped","order":"A-10042","items":[{"sku":"x1","n":2}],"note":"` + strings.Repeat("lorem ipsum ", 10) + `","at":1789000000000}`)
	for name, valid := range map[string]func([]byte) bool{"jsonscan": jsonscan.IsCompact, "json": json.Valid} {
		b.Run(name, func(b *testing.B) {
			b.SetBytes(int64(len(data)))
			for b.Loop() {
				if !valid(data) {
					b.Fatal("not valid")
				}
			}
		})
	}
}
