package httpapi

import (
	"encoding/json"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/wirepost/wirepost"
)

// TestSchedule schedules, lists and cancels pushes.
func TestSchedule(t *testing.T) {
	t.Parallel()
	s := newSite(t, func(o *wirepost.Options) { o.Channels = []wirepost.Policy{{Pattern: "mem", NonDurable: true}} })
	s.dial("42")
	at := time.Now().Add(time.Hour).UnixMilli()
	for _, tt := range []struct {
		path, body, want string
	}{
		{"/v1/push", fmt.Sprintf(`{"to":"user:42","data":1,"id":"x","at":%d}`, at), `{"scheduled":[{"to":"user:42","id":"x","at":%d}]}`},
		{"/v1/push", fmt.Sprintf(`{"to":"user:42","data":1,"id":"x","at":%d}`, at+1000), `{"scheduled":[{"to":"user:42","id":"x","at":%d,"duplicate":true}]}`},
		{
			"/v1/push", fmt.Sprintf(`{"to":["mem","b","mem"],"data":1,"id":"x","at":%d}`, at),
			`{"scheduled":[{"to":"mem","id":"x","at":%[1]d},{"to":"b","id":"x","at":%[1]d},{"to":"mem","id":"x","at":%[1]d,"duplicate":true}]}`,
		},
		{fmt.Sprintf("/v1/push/c/d?id=y%%2Fz&at=%d", at), "raw", `{"scheduled":[{"to":"c/d","id":"y/z","at":%d}]}`},
	} {
		if got, want := string(s.do("POST", tt.path, tt.body).is(202).body), fmt.Sprintf(tt.want+"\n", at); got != want {
			t.Errorf("%s %s: %s, want %s", tt.path, tt.body, got, want)
		}
	}
	var list struct {
		Scheduled []struct {
			To, ID string
			At     int64
		}
		Next string
	}
	read := func(query string) string {
		t.Helper()
		list.Scheduled = nil
		if err := json.Unmarshal(s.do("GET", "/v1/scheduled"+query, "").is(200).body, &list); err != nil {
			t.Fatal(err)
		}
		var names []string
		for _, p := range list.Scheduled {
			if p.At != at {
				t.Errorf("at %d, not %d", p.At, at)
			}
			names = append(names, p.To+" "+p.ID)
		}
		return strings.Join(names, ", ")
	}
	if got := read("?limit=3"); got != "b x, c/d y/z, mem x" {
		t.Error(got)
	}
	if got := read("?after=" + list.Next); got != "user:42 x" {
		t.Error(got)
	}
	if got, last := read("?after="+list.Next), list.Next; got != "" || last != list.Next {
		t.Error(got, last)
	}
	if got := read("?to=user:42"); got != "user:42 x" {
		t.Error(got)
	}
	s.do("DELETE", "/v1/scheduled/x?to=mem", "").is(204)
	s.do("DELETE", "/v1/scheduled/x?to=mem", "").is(404)
	s.do("DELETE", "/v1/scheduled/x", "").is(204)
	s.do("DELETE", "/v1/scheduled/y/z?to=c/d", "").is(204)
	s.do("DELETE", "/v1/scheduled/y/z", "").is(404)
	if got := read(""); got != "" {
		t.Error(got)
	}
}

// TestScheduleLines: lines of NDJSON may be scheduled, one by one.
func TestScheduleLines(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	lines := `{"to":"user:42","data":1,"id":"a","delay":"1h"}
{"to":"user:42","data":2,"id":"b"}
{"to":"user:42","data":3,"id":"c","delay":"1h","ttl":"5m"}
{"to":"user:42","data":4,"id":"d","delay":30}
`
	got := strings.Split(string(s.do("POST", "/v1/push", lines, asLines).is(200).body), "\n")
	for i, want := range []string{
		`{"scheduled":[{"to":"user:42","id":"a","at":`, `{"messages":[{"to":"user:42","id":"b","seq":1,`, `"field":"ttl"`,
		`{"scheduled":[{"to":"user:42","id":"d","at":`, ``,
	} {
		if !strings.Contains(got[i], want) {
			t.Errorf("line %d: %s", i, got[i])
		}
	}
}

// TestBadSchedule refuses times that are wrong, and names the field.
func TestBadSchedule(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	for body, want := range map[string]string{
		`"at":1`:                                 `"field":"at"`,
		`"at":0`:                                 `not a time in milliseconds`,
		`"at":-5`:                                `not a time in milliseconds`,
		`"at":"2026-12-24"`:                      `not a time in milliseconds`,
		`"at":1e30`:                              `not a time in milliseconds`,
		`"at":99999999999999999`:                 `not a time in milliseconds`,
		`"at":4102444800000`:                     `at most 366 days`,
		`"delay":"9000h"`:                        `at most 366 days`,
		`"delay":0`:                              `above zero`,
		`"delay":"x"`:                            `is neither a duration`,
		`"delay":"10m","at":4102444800000`:       `not both`,
		`"delay":"10m","ttl":"10m"`:              `"field":"ttl"`,
		`"delay":"10m","delay":"11m"`:            `given twice`,
		`"delay":{}`:                             `it must be a duration`,
		`"delay":"10m","id":"` + "\\u0000" + `"`: `control characters`,
	} {
		got := string(s.do("POST", "/v1/push", `{"to":"user:42","data":1,`+body+`}`).is(400).body)
		if !strings.Contains(got, want) {
			t.Errorf("%s: %s", body, got)
		}
	}
	for _, query := range []string{"at=x", "delay=-1s", "at=1", "delay=10m&at=4102444800000", "delay=10m&ttl=1m"} {
		s.do("POST", "/v1/push/user:42?"+query, "1").is(400)
	}
	for _, query := range []string{"?after=x", "?limit=0", "?to=%20", "?to=", "?from=1"} {
		s.do("GET", "/v1/scheduled"+query, "").is(400)
	}
	s.do("POST", "/v1/push/user:42?id=x&delay=1h", "1").is(202)
	for _, query := range []string{"?to=%20", "?to="} {
		s.do("DELETE", "/v1/scheduled/x"+query, "").is(400)
	}
	s.do("DELETE", "/v1/scheduled/x", "").is(204) // it is still there
	s.do("DELETE", "/v1/scheduled/", "").is(404)
}
