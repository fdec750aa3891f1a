package httpapi

import (
	"bufio"
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/wirepost/wirepost"
)

// TestEvents lists events, waits for one, and follows them.
func TestEvents(t *testing.T) {
	t.Parallel()
	newSite(t).do("GET", "/v1/events", "").problem(404, "")

	s := newSite(t, func(o *wirepost.Options) {
		o.Events.Endpoints = []wirepost.EventEndpoint{{Types: []string{"user.*", "membership.changed"}}}
	})
	var empty, first, more eventList
	s.do("GET", "/v1/events?wait=0.001", "").is(200).into(&empty)
	if empty.Events == nil || len(empty.Events) != 0 || empty.Next != 0 {
		t.Errorf("%+v", empty)
	}
	waited := make(chan response)
	go func() { waited <- s.do("GET", "/v1/events?wait=60s", "") }()
	s.dial("42")
	(<-waited).is(200).into(&first)
	if len(first.Events) != 1 || first.Events[0].Type != wirepost.EventUserOnline || first.Events[0].User != "42" || first.Next != first.Events[0].Seq {
		t.Fatalf("%+v", first)
	}
	s.do("PUT", "/v1/users/42/channels/team", "").is(200)
	s.do("GET", fmt.Sprintf("/v1/events?after=%d&wait=60", first.Next), "").is(200).into(&more)
	if len(more.Events) != 1 || more.Events[0].Type != wirepost.EventMembershipChanged || !*more.Events[0].Data.Member {
		t.Fatalf("%+v", more)
	}

	want := []string{string(wirepost.EventUserOnline), string(wirepost.EventMembershipChanged)}
	if got := s.stream("/v1/events", 2, "Accept: text/event-stream"); !slices.Equal(got, want) {
		t.Errorf("%v", got)
	}
	last := fmt.Sprint("Last-Event-ID: ", first.Next)
	if got := s.stream("/v1/events?after=0", 1, "Accept: text/html, text/event-stream;q=0.9", last); !slices.Equal(got, want[1:]) {
		t.Errorf("%v", got)
	}
	var stats statsResponse
	s.do("GET", "/v1/stats", "").is(200).into(&stats)
	if stats.Events == nil || stats.Events.Written < 2 || stats.Events.Readers == nil {
		t.Errorf("%+v", stats.Events)
	}
	for query, field := range map[string]string{"wait=-1s": "wait", "wait=x": "wait", "limit=0": "limit", "after=-1": "after", "types=x": "types"} {
		s.do("GET", "/v1/events?"+query, "").problem(400, field)
	}
	r := s.request("GET", "/v1/events", nil, "Accept: text/event-stream", "Last-Event-ID: x")
	response, err := s.client.Do(r)
	if err != nil || response.StatusCode != 400 {
		t.Fatal(response, err)
	}
	response.Body.Close()
	for _, path := range []string{"/v1/push/$events", "/v1/push/$x"} {
		s.do("POST", path, "x").problem(400, "channel")
	}
	s.do("GET", "/v1/channels/$events/messages", "").problem(400, "channel")
}

// stream reads events from a stream, and returns their types.
func (s *site) stream(path string, n int, headers ...string) (types []string) {
	s.t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	response, err := s.client.Do(s.request("GET", path, nil, headers...).WithContext(ctx))
	if err != nil {
		s.t.Fatal(err)
	}
	defer response.Body.Close()
	if response.StatusCode != http.StatusOK || response.Header.Get("Content-Type") != streamType {
		s.t.Fatal(response)
	}
	id := ""
	for lines := bufio.NewScanner(response.Body); len(types) < n && lines.Scan(); {
		if text, ok := strings.CutPrefix(lines.Text(), "id: "); ok {
			id = text
		}
		text, ok := strings.CutPrefix(lines.Text(), "data: ")
		if !ok {
			continue
		}
		var e wirepost.Event
		if err := json.Unmarshal([]byte(text), &e); err != nil || fmt.Sprint(e.Seq) != id {
			s.t.Fatal(text, id, err)
		}
		types = append(types, string(e.Type))
	}
	return types
}
