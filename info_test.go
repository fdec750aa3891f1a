package wirepost_test

import (
	"encoding/json"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/wirepost/wirepost"
)

// Times are milliseconds in JSON, and are unchanged after a round trip.
func TestInfoJSON(t *testing.T) {
	t.Parallel()
	since := time.UnixMilli(1_789_000_000_123)
	policy := wirepost.Policy{Pattern: "a*", NonDurable: true, MaxAge: 90 * time.Minute, MaxMessages: 7, Subscribe: "anyone", Publish: "backend"}
	for _, test := range []struct {
		value, back any
		want        string
	}{
		{
			&wirepost.Session{Connection: "c", Device: "phone", Since: since, Mode: "plain"}, new(wirepost.Session),
			`{"connection":"c","device":"phone","address":"","agent":"","mode":"plain","since":1789000000123}`,
		},
		{
			&wirepost.Stats{Pushes: 3, Epoch: "e", Uptime: 1500 * time.Millisecond}, new(wirepost.Stats),
			`{"connections":0,"users":0,"channels":0,"pushes":3,"deliveries":0,"acks":0,"gaps":0,"epoch":"e","uptime_ms":1500}`,
		},
		{
			&policy, new(wirepost.Policy),
			`{"pattern":"a*","durable":false,"max_age":"1h30m0s","max_messages":7,"subscribe":"anyone","publish":"backend"}`,
		},
	} {
		text, err := json.Marshal(test.value)
		if err != nil || string(text) != test.want {
			t.Errorf("%s, %v; want %s", text, err, test.want)
		}
		if err := json.Unmarshal(text, test.back); err != nil || !cmp.Equal(test.back, test.value) {
			t.Errorf("%s: %v, %v", text, err, cmp.Diff(test.value, test.back))
		}
	}
	if err := json.Unmarshal([]byte(`{"max_age":"soon"}`), &policy); err == nil {
		t.Error("an invalid max_age was accepted")
	}
}
