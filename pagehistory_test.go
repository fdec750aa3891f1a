package wirepost_test

import (
	"fmt"
	"math"
	"strings"
	"testing"
	"testing/synctest"

	"github.com/wirepost/wirepost"
)

// TestHistoryFrame: a page reads backwards and forwards, and nothing else changes.
func TestHistoryFrame(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		n := newPipeNode(t)
		for i := range 5 {
			n.json("user:42", fmt.Sprint(i+1))
			n.json("room:1", fmt.Sprint(i+1))
		}
		if _, err := n.Revoke(t.Context(), "user:42", 4); err != nil {
			t.Fatal(err)
		}
		if _, _, err := n.MarkRead(t.Context(), "42", "user:42", 2); err != nil {
			t.Fatal(err)
		}
		c, _ := n.dialV1("42&after=6") // it gets nothing
		for _, tt := range []struct{ channel, fields, want string }{
			{"user:42", `"limit":2`, "5 3 next 3 read 2"},
			{"user:42", `"before":3,"limit":9`, "2 1 next 1 read 2"},
			{"user:42", `"before":1`, "next 1 read 2"},
			{"user:42", `"before":0`, "next 0 read 2"},
			{"user:42", `"before":18446744073709551615`, "5 3 2 1 next 1 read 2"},
			{"user:42", `"after":2`, "3 5 next 5 read 2"},
			{"user:42", `"after":6`, "next 6 read 2"},
			{"room:1", `"before":5,"limit":1`, "4 next 4 read <nil>"},
			{"all", `"limit":1`, "next 0 read 0"},
		} {
			c.send(`{"type":"history","ref":"r","channel":%q,%s}`, tt.channel, tt.fields)
			f := c.frame("ok")
			var got []string
			for _, m := range f["messages"].([]any) {
				got = append(got, fmt.Sprint(frame(m.(map[string]any)).num("seq")))
			}
			got = append(got, fmt.Sprint("next ", f["next"], " read ", f["read"]))
			if got := strings.Join(got, " "); got != tt.want || f.str("ref") != "r" {
				t.Errorf("%s: %s, want %s", tt.fields, got, tt.want)
			}
		}
		if got := n.cursor("42", "user:42", ""); got != 2 { // where it began: at the read mark
			t.Errorf("the cursor moved to %d", got)
		}
	})
}

func TestHistoryFrameRefused(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		n := newPipeNode(t, func(o *wirepost.Options) {
			o.Channels = []wirepost.Policy{{Pattern: "audit", Subscribe: wirepost.AccessBackendOnly}}
		})
		c, _ := n.dialV1("42")
		for fields, want := range map[string]string{
			`"channel":"user:7"`:                       "forbidden",
			`"channel":"audit"`:                        "forbidden",
			`"channel":""`:                             "bad_request",
			`"channel":"user:42","limit":0`:            "bad_request",
			`"channel":"user:42","limit":1001`:         "bad_request",
			`"channel":"user:42","before":-1`:          "bad_request",
			`"channel":"user:42","before":1,"after":1`: "bad_request",
		} {
			c.send(`{"type":"history","ref":1,%s}`, fields)
			if got := c.frame("error").str("code"); got != want {
				t.Errorf("%s: %s, want %s", fields, got, want)
			}
		}
		if _, _, err := n.Server.History(t.Context(), "user:42", math.MaxUint64, 0); err != nil {
			t.Error(err)
		}
	})
}
