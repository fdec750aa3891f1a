package httpapi

import (
	"bytes"
	"encoding/json"
	"fmt"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/wirepost/wirepost"
)

const asLines = "Content-Type: application/x-ndjson"

// result is a line of the response: the result of a push, or a problem.
type result struct {
	Messages []wirepost.PushResult
	wirepost.Problem
}

func (r result) String() string {
	if r.Status != 0 {
		return fmt.Sprintf("%d %s", r.Status, r.Field)
	}
	var names []string
	for _, p := range r.Messages {
		names = append(names, fmt.Sprintf("%s#%d", p.To, p.Seq))
	}
	return strings.Join(names, " ")
}

func readResults(t *testing.T, body []byte) (list []string) {
	t.Helper()
	for line := range bytes.Lines(body) {
		var r result
		if err := json.Unmarshal(line, &r); err != nil {
			t.Fatalf("%q: %v", line, err)
		}
		list = append(list, r.String())
	}
	return list
}

func TestLines(t *testing.T) {
	t.Parallel()
	s := newSite(t, func(o *wirepost.Options) { o.MaxMessage = 1 << 10 })
	for _, tt := range []struct {
		name, body string
		want       []string
	}{
		{"nothing", "", nil},
		{"blank lines", "\n \n\r\n\t\n", nil},
		{"no last newline", `{"to":"a1","data":1}`, []string{"a1#1"}},
		{"CRLF", "{\"to\":\"a2\",\"data\":1}\r\n{\"to\":\"a2\",\"data\":2}\r\n", []string{"a2#1", "a2#2"}},
		{
			"bad lines", `{"to":"a3","data":1}
{"to":"a3","data":
{"to":"a3","data":1,"tll":1}

{"to":"bad name","data":1}
null
{"to":"a3","data":2}` + "\n{\"to\":\"a3\",\"data\":\"\xff\"}\n" + `{"to":"a3","data":1}{"to":"a3","data":1}
{"to":"a3","content_type":"nonsense/","data_base64":""}
{"to":"a3","data":3}
`, []string{"a3#1", "400 ", "400 tll", "400 to", "400 ", "a3#2", "400 ", "400 ", "400 content_type", "a3#3"},
		},
		{
			"lists", `{"to":["a4","b4","a4"],"data":1}
{"to":["a4","b 4"],"data":1}
{"to":[],"data":1}
{"to":["b4"],"data":1}
{"to":["a4","b4"],"data":1,"id":"` + strings.Repeat("i", 129) + `"}
{"to":"a4","data":1}
`, []string{"a4#1 b4#1 a4#1", "400 to", "400 to", "b4#2", "400 id", "a4#2"},
		},
		{
			"long lines", `{"to":"a5","data":1}
{"to":"a5","data":"` + strings.Repeat("x", 1<<10) + `"}
{"to":"a5","data":"` + strings.Repeat("x", maxJSON(1<<10)) + `"}
{"to":"a5","data":2}
` + strings.Repeat("x", 2*maxJSON(1<<10)), []string{"a5#1", "413 data", "413 ", "a5#2", "413 "},
		},
		{"memory-only channels between", `{"to":"live:6","data":1}
{"to":"a6","data":1}
{"to":"live:6","data":2}
{"to":"a6","data":2}
`, []string{"live:6", "a6#1", "live:6", "a6#2"}},
	} {
		a := s.do("POST", "/v1/push", tt.body, asLines).is(200)
		got := readResults(t, a.body)
		for i, result := range got {
			if strings.HasPrefix(result, "live:") { // their sequences do not start at 1
				got[i], _, _ = strings.Cut(result, "#")
			}
		}
		if diff := cmp.Diff(tt.want, got); diff != "" {
			t.Errorf("%s: -want +got\n%s\n%s", tt.name, diff, a.body)
		}
	}
}

// TestLinesKeepTheirOrder pushes lines that fill several batches.
func TestLinesKeepTheirOrder(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	const n = 20_000
	var body strings.Builder
	for i := range n {
		fmt.Fprintf(&body, `{"to":"room","data":%d,"id":"%d"}`+"\n", i, i)
	}
	a := s.do("POST", "/v1/push", body.String(), asLines).is(200)
	var last uint64
	i := 0
	for line := range bytes.Lines(a.body) {
		var r result
		if err := json.Unmarshal(line, &r); err != nil || len(r.Messages) != 1 {
			t.Fatalf("%q: %v", line, err)
		}
		if p := r.Messages[0]; p.ID != fmt.Sprint(i) || p.Seq <= last {
			t.Fatalf("line %d is %+v, after %d", i, p, last)
		}
		last = r.Messages[0].Seq
		i++
	}
	if i != n {
		t.Errorf("%d results", i)
	}
}
