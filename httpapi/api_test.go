package httpapi

import (
	"encoding/json"
	"fmt"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/gorilla/websocket"

	"github.com/wirepost/wirepost"
	"github.com/wirepost/wirepost/engine/pebble"
)

func TestUser(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	s.push(`{"to":"user:a/b","data":1}`).is(202)
	c := s.dial("a/b&device=phone", "wirepost.v1")
	frame(t, c, "hello")
	seq := uint64(frame(t, c, "message")["seq"].(float64))

	var user struct {
		User     string
		Online   int
		Sessions []map[string]any
		Channels map[string]struct {
			Head, Read uint64
			Unread     int
			Devices    map[string]uint64
		}
	}
	s.do("GET", "/v1/users/a%2Fb", "").is(200).into(&user)
	if user.User != "a/b" || user.Online != 1 || user.Sessions[0]["device"] != "phone" || user.Sessions[0]["mode"] != "wirepost.v1" {
		t.Errorf("%+v", user)
	}
	if inbox := user.Channels["user:a/b"]; inbox.Head != seq || inbox.Unread != 1 {
		t.Errorf("%+v", user.Channels)
	}
	s.do("GET", "/v1/users/nobody", "").is(200)

	var read struct {
		Read   uint64
		Unread int
	}
	s.do("POST", "/v1/users/a%2Fb/read", fmt.Sprintf(`{"seq":%d}`, seq+10)).is(200).into(&read)
	if read.Read != seq || read.Unread != 0 {
		t.Errorf("%+v", read)
	}
	if state := frame(t, c, "state"); state["unread"] != 0.0 {
		t.Errorf("%v", state)
	}
	s.do("DELETE", "/v1/users/a%2Fb/sessions?connection=unknown", "").problem(404, "")
	s.do("DELETE", "/v1/users/a%2Fb/sessions?conection=unknown", "").problem(400, "conection")
	s.do("DELETE", "/v1/users/a%2Fb/sessions?connection=", "").problem(400, "connection")
	connection, _ := user.Sessions[0]["connection"].(string)
	var ended struct{ Disconnected int }
	s.do("DELETE", "/v1/users/a%2Fb/sessions?connection="+connection, "").is(200).into(&ended)
	if ended.Disconnected != 1 {
		t.Errorf("%+v", ended)
	}
	frame(t, c, "bye")
	if _, _, err := c.ReadMessage(); !websocket.IsCloseError(err, 4409) {
		t.Errorf("%v", err)
	}
	s.do("DELETE", "/v1/users/nobody/sessions", "").is(200).into(&ended)
	if ended.Disconnected != 0 {
		t.Errorf("%+v", ended)
	}
}

func TestMembership(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	before := s.push(`{"to":"room/7","data":1}`).is(202).pushed()[0]
	var m struct {
		Channel    string
		Head, Read uint64
		Unread     int
		Devices    map[string]uint64
	}
	for _, path := range []string{"/v1/users/42/channels/room%2F7", "/v1/users/42/channels/room/7"} {
		s.do("PUT", path, "").is(200).into(&m)
		if m.Channel != "room/7" || m.Head != before.Seq || m.Read != before.Seq || m.Unread != 0 {
			t.Errorf("%+v", m)
		}
	}
	after := s.push(`{"to":"room/7","data":2}`).is(202).pushed()[0]
	var read struct {
		Read   uint64
		Unread int
	}
	s.do("POST", "/v1/users/42/read", `{"channel":"room/7","seq":0}`).is(200).into(&read)
	if read.Read != before.Seq || read.Unread != 1 {
		t.Errorf("%+v", read)
	}
	s.do("POST", "/v1/users/42/read", fmt.Sprintf(`{"channel":"room/7","seq":%d}`, after.Seq)).is(200).into(&read)
	if read.Read != after.Seq || read.Unread != 0 {
		t.Errorf("%+v", read)
	}
	s.do("DELETE", "/v1/users/42/channels/room/7", "").is(204)
	s.do("DELETE", "/v1/users/42/channels/room/7", "").problem(404, "")
	s.do("PUT", "/v1/users/42/channels/all", "").problem(400, "channel")
	s.do("POST", "/v1/users/42/read", `{"channel":"room/7","seq":1}`).problem(404, "")
}

func TestLists(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	for i := range 250 {
		s.push(fmt.Sprintf(`{"to":"user:42","data":%d}`, i)).is(202)
	}
	type page struct {
		Messages []struct {
			Type, Channel, ID string
			Seq, Prev         uint64
			Time              int64
			Data              int
		}
		Next uint64
	}
	for _, base := range []string{"/v1/users/42/messages", "/v1/channels/user:42/messages"} {
		for _, limit := range []int{0, 1, 99, 250, 1000} {
			got, next := 0, uint64(0)
			for pages := 0; ; pages++ {
				path := fmt.Sprintf("%s?after=%d&limit=%d", base, next, limit)
				if limit == 0 {
					path = fmt.Sprintf("%s?after=%d", base, next)
				}
				var p page
				s.do("GET", path, "").is(200).into(&p)
				for _, m := range p.Messages {
					if m.Data != got || m.Type != "message" || m.Channel != "user:42" || m.Prev >= m.Seq {
						t.Fatalf("%s: message %d is %+v", path, got, m)
					}
					got++
				}
				if limit == 1 && pages > 2 {
					got = 250
					break
				}
				if len(p.Messages) == 0 {
					if p.Next != next {
						t.Errorf("%s: next is %d on an empty page, after %d", path, p.Next, next)
					}
					break
				}
				if want := min(max(limit, 0), 250); limit == 0 && pages == 0 && len(p.Messages) != 100 || limit >= 250 && len(p.Messages) != want {
					t.Errorf("%s: %d messages", path, len(p.Messages))
				}
				next = p.Next
			}
			if got != 250 {
				t.Errorf("%s in pages of %d: %d messages", base, limit, got)
			}
		}
		for _, query := range []string{"limit=0", "limit=-1", "limit=1001", "limit=x", "limit=", "limit=1.5"} {
			s.do("GET", base+"?"+query, "").problem(400, "limit")
		}
		for _, query := range []string{"after=-1", "after=x", "after=", "after=18446744073709551616"} {
			s.do("GET", base+"?"+query, "").problem(400, "after")
		}
		s.do("GET", base+"?afer=1", "").problem(400, "afer")
		s.do("GET", base+"?after=1&after=2", "").problem(400, "after")
		s.do("GET", base+"?after=%zz", "").problem(400, "")
		s.do("GET", base+"?after=18446744073709551615", "").is(200)
	}
}

func TestChannel(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	var info wirepost.ChannelInfo
	s.do("GET", "/v1/channels/room:7", "").is(200).into(&info)
	if info.Channel != "room:7" || info.Head != 0 || info.Oldest != 0 || info.Policy.NonDurable || info.Policy.MaxAge != wirepost.DefaultMaxAge {
		t.Errorf("%+v", info)
	}
	first := s.push(`{"to":"room:7","data":1,"id":"first"}`).is(202).pushed()[0]
	last := s.push(`{"to":"room:7","data":2}`).is(202).pushed()[0]
	s.do("GET", "/v1/channels/room:7", "").is(200).into(&info)
	if info.Head != last.Seq || info.Oldest != first.Seq {
		t.Errorf("%+v", info)
	}
	path := fmt.Sprintf("/v1/channels/room:7/messages/%d", first.Seq)
	s.do("GET", path, "").is(200)
	var r struct {
		Channel, ID  string
		Seq, Revoked uint64
	}
	s.do("DELETE", path, "").is(200).into(&r)
	if r.Channel != "room:7" || r.Revoked != first.Seq || r.Seq <= last.Seq || r.ID != "first" {
		t.Errorf("%+v", r)
	}
	s.do("GET", path, "").problem(404, "")
	s.do("DELETE", path, "").problem(404, "")
	s.do("GET", "/v1/channels/room:7/messages/0", "").problem(404, "")
	s.do("GET", "/v1/channels/room:7/messages/999", "").problem(404, "")
	s.do("GET", "/v1/channels/room:7/messages/x", "").problem(400, "seq")
	s.do("DELETE", "/v1/channels/room:7", "").is(204)
	s.do("GET", "/v1/channels/room:7", "").is(200).into(&info)
	if info.Oldest != 0 || info.Head != r.Seq {
		t.Errorf("%+v", info)
	}
}

func TestReceipts(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	c := s.dial("42&device=phone", "wirepost.v1")
	frame(t, c, "hello")
	p := s.push(`{"to":"user:42","data":1}`).is(201).pushed()[0]
	frame(t, c, "message")
	state := func() string {
		var v struct {
			Message  json.RawMessage
			Receipts []struct{ User, Device, State string }
		}
		s.do("GET", fmt.Sprintf("/v1/channels/user:42/messages/%d", p.Seq), "").is(200).into(&v)
		if len(v.Receipts) != 1 || v.Receipts[0].User != "42" || v.Receipts[0].Device != "phone" {
			t.Fatalf("%+v", v.Receipts)
		}
		return v.Receipts[0].State
	}
	if got := state(); got != "sent" {
		t.Errorf("the state of a sent message is %s", got)
	}
	// The response to the subscription is sent after the acknowledgement was handled.
	if err := c.WriteMessage(websocket.TextMessage, fmt.Appendf(nil, `{"type":"ack","channel":"user:42","seq":%d}`, p.Seq)); err != nil {
		t.Fatal(err)
	}
	if err := c.WriteMessage(websocket.TextMessage, []byte(`{"type":"subscribe","ref":1,"channel":"news"}`)); err != nil {
		t.Fatal(err)
	}
	frame(t, c, "ok")
	if got := state(); got != "acknowledged" {
		t.Errorf("the state of an acknowledged message is %s", got)
	}
	s.do("POST", "/v1/users/42/read", fmt.Sprintf(`{"seq":%d}`, p.Seq)).is(200)
	if got := state(); got != "read" {
		t.Errorf("the state of a read message is %s", got)
	}
}

func TestTop(t *testing.T) {
	t.Parallel()
	s := newSite(t, func(o *wirepost.Options) { o.Window = 1 })
	s.dial("42", "wirepost.v1")
	s.push(`{"to":"user:42","data":1}`).is(201)
	s.push(`{"to":"user:42","data":2}`).is(201)
	for end := time.Now().Add(patience); ; {
		var stats statsResponse
		s.do("GET", "/v1/stats?top=1", "").is(200).into(&stats)
		if top := stats.Top; len(top.Channels) == 1 && top.Channels[0].Channel == "user:42" && len(top.Slow) == 1 && top.SlowCount == 1 {
			return
		}
		if time.Now().After(end) {
			t.Fatalf("%+v", stats.Top)
		}
	}
}

func TestSystem(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	s.push(`{"to":"user:42","data":1}`).is(202)
	var stats statsResponse
	s.do("GET", "/v1/stats", "").is(200).into(&stats)
	if stats.Pushes != 1 || stats.Epoch == "" || stats.Memory < 1<<20 || stats.Top != nil {
		t.Errorf("%+v", stats)
	}
	metrics := string(s.do("GET", "/metrics", "").is(200).body)
	for _, name := range []string{
		"wirepost_connections 0", "wirepost_users 0", "wirepost_pushes_total 1", "wirepost_deliveries_total 0",
		"wirepost_acks_total 0", "wirepost_gaps_total 0", "wirepost_append_seconds_count 1", `wirepost_turn_seconds_count{loop="0"} `, "go_goroutines ", "process_cpu_seconds_total ",
	} {
		if !strings.Contains(metrics, "\n"+name) {
			t.Errorf("no %q in the metrics", name)
		}
	}
	s.do("GET", "/v1/openapi.json", "").is(200)
	for _, path := range []string{"/healthz", "/readyz"} {
		s.do("GET", path, "", "Authorization: ").is(200)
		s.do("HEAD", path+"?verbose", "", "Authorization: ").is(200)
	}
}

func TestDraining(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	if err := s.Shutdown(t.Context()); err != nil {
		t.Fatal(err)
	}
	for _, a := range []response{
		s.push(`{"to":"user:42","data":1}`),
		s.push(`{"to":["user:42","user:43"],"data":1}`),
		s.do("POST", "/v1/push/user:42", "hello"),
		s.do("POST", "/v1/push", `{"to":"a","data":1}`+"\n", "Content-Type: application/x-ndjson"),
		s.do("GET", "/readyz", ""),
	} {
		if p := a.problem(503, ""); p.RetryAfter < 1 || a.header.Get("Retry-After") == "" {
			t.Errorf("%s: no Retry-After: %+v", a.what, p)
		}
	}
	s.do("GET", "/healthz", "").is(http.StatusOK)
}

func TestStatsHistory(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		srv := newServer(t)
		api := New(srv, Options{Keys: []string{"read:" + testKey}, Logger: slog.New(slog.DiscardHandler)})
		if _, err := srv.Push(t.Context(), wirepost.Push{To: "user:42", Data: []byte("1")}); err != nil {
			t.Fatal(err)
		}
		time.Sleep(2*time.Hour + time.Second)
		r := httptest.NewRequest("GET", "/v1/stats/history", nil)
		r.Header.Set("Authorization", "Bearer "+testKey)
		w := httptest.NewRecorder()
		api.ServeHTTP(w, r)
		if err := loadSpec(t).checkResponse(r, w.Code, w.Header(), w.Body.Bytes()); err != nil || w.Code != 200 {
			t.Fatalf("%d %s: %v", w.Code, w.Body, err)
		}
		var got trendResponse
		if err := json.Unmarshal(w.Body.Bytes(), &got); err != nil {
			t.Fatal(err)
		}
		if n := len(got.Time); n != 720 || got.Interval != 5000 || got.Time[n-1]-got.Time[0] != 719*5000 || got.Pushes[0] != 1 || got.Memory[n-1] == 0 || len(got.Deliveries) != n {
			t.Errorf("%d points: %+v", n, got)
		}
	})
}

// TestConfig: settings are for administrators only.
func TestConfig(t *testing.T) {
	t.Parallel()
	newSite(t).do("GET", "/v1/config", "").problem(404, "")
	srv := newServer(t)
	settings := []Setting{{Name: "window", Value: "64", Origin: "WIREPOST_WINDOW"}}
	s := serveHandler(t, New(srv, Options{Keys: []string{testKey, "push+read:reader"}, Settings: settings, Logger: slog.New(slog.DiscardHandler)}), srv)
	s.do("GET", "/v1/config", "", "Authorization: Bearer reader").problem(403, "")
	s.do("HEAD", "/v1/config", "", "Authorization: Bearer reader").is(403)
	var got struct{ Settings []Setting }
	s.do("GET", "/v1/config", "").is(200).into(&got)
	if !slices.Equal(got.Settings, settings) {
		t.Errorf("%+v", got)
	}
}

func TestStore(t *testing.T) {
	t.Parallel()
	// In memory there is nothing to measure.
	s := newSite(t)
	s.push(`{"to":["user:a","user:b","news"],"data":1}`).is(202)
	var got storeResponse
	s.do("GET", "/v1/store", "").is(200).into(&got)
	if got.Epoch == "" || got.Files != nil || got.Syncs != nil || got.Count != nil {
		t.Errorf("%+v", got)
	}
	s.do("GET", "/v1/store?count=100", "").is(200).into(&got)
	if got.Count == nil || got.Count.Channels != 3 {
		t.Errorf("%+v", got.Count)
	}
	s.do("GET", "/v1/store?count=2", "").is(200).into(&got)
	if got.Count.Channels != 2 {
		t.Errorf("%+v", got.Count)
	}
	s.do("GET", "/v1/store?count=0", "").problem(400, "count")

	store, err := pebble.Open(t.TempDir(), pebble.Options{Logger: slog.New(slog.DiscardHandler)})
	if err != nil {
		t.Fatal(err)
	}
	s = newSite(t, func(o *wirepost.Options) { o.Engine = store })
	s.push(`{"to":"user:a","data":1}`).is(202)
	s.do("PUT", "/v1/users/a/channels/news", "").is(200)
	s.do("GET", "/v1/store?count=100", "").is(200).into(&got)
	sum := uint64(0)
	for _, b := range got.Syncs.Buckets {
		sum += b.Count
	}
	if got.Files.Bytes == 0 || got.Disk.Free == 0 || got.Disk.Size < got.Disk.Free || got.Syncs.LastMS == 0 || got.Syncs.MeanMS == 0 || sum > got.Syncs.Count || sum == 0 {
		t.Errorf("%+v %+v %+v", got.Files, got.Disk, got.Syncs)
	}
	if got.Count.Users != 1 || got.Count.Channels < 1 {
		t.Errorf("%+v", got.Count)
	}
}
