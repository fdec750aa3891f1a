package httpapi

import (
	"bytes"
	"errors"
	"io"
	"net/http"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"github.com/wirepost/wirepost"
	"github.com/wirepost/wirepost/httpapi/internal/parse"
)

// TestLineReader splits texts that are read in pieces of every size.
func TestLineReader(t *testing.T) {
	long := strings.Repeat("x", 3*lineBuffer)
	for _, tt := range []struct {
		text string
		max  int
		want []string
	}{
		{"", 10, nil},
		{"\n", 10, []string{""}},
		{"a\nbc\n\nd", 10, []string{"a", "bc", "", "d"}},
		{"12345\n123456\n1234\n", 5, []string{"12345", "long", "1234"}},
		{"12345\n123456", 5, []string{"12345", "long"}},
		{long + "\n" + long + "y\nz\n" + long + long, 3 * lineBuffer, []string{long, "long", "z", "long"}},
	} {
		for _, piece := range []int{1, 2, 7, lineBuffer - 1, lineBuffer, 10 * lineBuffer} {
			if piece < 3 && len(tt.text) > lineBuffer {
				continue
			}
			waits := 0
			l := newLineReader(&pieces{text: tt.text, size: piece}, make([]byte, lineBuffer), tt.max, func(int) { waits++ }, func(int) bool { return true })
			if diff := cmp.Diff(tt.want, allLines(l)); diff != "" {
				t.Errorf("%.20q in pieces of %d: -want +got\n%.300s", tt.text, piece, diff)
			}
			if waits == 0 {
				t.Errorf("%.20q: wait was not called", tt.text)
			}
		}
	}
}

func allLines(l *lineReader) (list []string) {
	for {
		text, err := l.next()
		switch {
		case errors.Is(err, errLongLine):
			list = append(list, "long")
		case err != nil:
			return list
		default:
			list = append(list, string(text))
		}
	}
}

// pieces is a reader that returns a few bytes at a time.
type pieces struct {
	text string
	size int
}

func (p *pieces) Read(b []byte) (int, error) {
	if p.text == "" {
		return 0, io.EOF
	}
	n := copy(b, p.text[:min(p.size, len(p.text))])
	p.text = p.text[n:]
	return n, nil
}

// FuzzLines sends arbitrary text as a bulk push, in pieces: every line that is not blank
// has one result, and the pushes are the same as for each line alone.
func FuzzLines(f *testing.F) {
	f.Add([]byte("{\"to\":\"a\",\"data\":1}\n\n{\"to\":[\"a\",\"b\"],\"data\":1}\nx\n"), uint8(3))
	f.Add([]byte("\r\n{\"to\":\"a\",\"data_base64\":\"AA==\"}"), uint8(200))
	for _, body := range []string{
		`{"to":"user:42","data":{"a":1},"id":"k7","key":"k","ttl":"90s"}`,
		` { "to" : [ "user:1" , "room:7" ] , "data" : [ 1 , 2 ] } ` + "\r",
	} {
		f.Add([]byte(body+"\n"+body), uint8(50))
	}
	f.Fuzz(func(t *testing.T, body []byte, size uint8) {
		var got []wirepost.Push
		srv := &fake{push: func(ps []wirepost.Push) []wirepost.BatchResult {
			got = append(got, ps...)
			return make([]wirepost.BatchResult, len(ps))
		}}
		a := newHandler(srv, Options{}).(*api)
		var want []wirepost.Push
		results := 0
		for line := range bytes.SplitSeq(body, []byte("\n")) {
			if len(bytes.TrimSpace(line)) == 0 {
				continue
			}
			results++
			var parsed parse.Push
			p, err := parsed.Parse(line, a.maxData)
			if err != nil {
				continue
			}
			for _, p.To = range newTargets(parsed.To).names {
				want = append(want, p)
			}
		}
		w := &duplex{header: http.Header{}}
		r, _ := http.NewRequest("POST", "/v1/push", &pieces{text: string(body), size: int(size) + 1})
		if err := a.pushLines(w, &request{Request: r, key: &knownKey{}}); err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(want, got, cmpopts.IgnoreUnexported(wirepost.Push{})); diff != "" {
			t.Errorf("-want +got\n%s", diff)
		}
		if n := bytes.Count(w.Bytes(), []byte("\n")); n != results {
			t.Errorf("%d results for %d lines: %s", n, results, w.Bytes())
		}
	})
}

// duplex is a ResponseWriter with the methods that a bulk push needs.
type duplex struct {
	bytes.Buffer
	header http.Header
}

func (d *duplex) Header() http.Header     { return d.header }
func (d *duplex) WriteHeader(int)         {}
func (d *duplex) Flush()                  {}
func (d *duplex) EnableFullDuplex() error { return nil }
