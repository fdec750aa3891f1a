package wirepost_test

import (
	"bytes"
	"context"
	"encoding/json"
	"log/slog"
	"net/http"
	"testing"

	"github.com/wirepost/wirepost"
)

// TestAPanicIsLoggedOnce: with the callback, the user and the stack.
func TestAPanicIsLoggedOnce(t *testing.T) {
	t.Parallel()
	hook := []wirepost.Policy{{Pattern: "*", Subscribe: wirepost.AccessHook, Publish: wirepost.AccessHook}}
	for name, tt := range map[string]struct {
		set  func(*wirepost.Options)
		send string
	}{
		"OnMessage": {func(o *wirepost.Options) {
			o.OnMessage = func(context.Context, wirepost.Session, wirepost.Frame) (wirepost.Frame, error) { panic("ouch") }
		}, `{"type":"message","ref":1,"data":1}`},
		"OnCall": {func(o *wirepost.Options) {
			o.OnCall = func(context.Context, wirepost.Session, string, json.RawMessage) (any, error) { panic("ouch") }
		}, `{"type":"call","ref":1,"method":"m"}`},
		"OnSubscribe": {func(o *wirepost.Options) {
			o.OnSubscribe = func(context.Context, wirepost.Session, string) error { panic("ouch") }
		}, `{"type":"subscribe","ref":1,"channel":"a"}`},
		"OnPublish": {func(o *wirepost.Options) {
			o.OnPublish = func(context.Context, wirepost.Session, *wirepost.Push) error { panic("ouch") }
		}, `{"type":"publish","ref":1,"to":"a","data":1}`},
		"VerifyToken": {func(o *wirepost.Options) {
			o.VerifyToken = func(context.Context, string) (wirepost.Identity, error) { panic("ouch") }
		}, `{"type":"auth","ref":1,"token":"x"}`},
		"OnConnect": {func(o *wirepost.Options) {
			o.OnConnect = func(*http.Request, wirepost.Session) error { panic("ouch") }
		}, ""},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			log := &lockedBuffer{}
			n := newNode(t, func(o *wirepost.Options) {
				o.Channels = hook
				o.OnSubscribe = func(context.Context, wirepost.Session, string) error { return nil }
				o.OnPublish = func(context.Context, wirepost.Session, *wirepost.Push) error { return nil }
				o.Logger = slog.New(slog.NewJSONHandler(log, nil))
				tt.set(o)
			})
			if tt.send == "" {
				if _, resp, _ := n.tryDial("user=42"); resp == nil || resp.StatusCode != 500 {
					t.Errorf("the response is %v", resp)
				}
			} else {
				c, _ := n.dialV1("42")
				c.send("%s", tt.send)
				if f := c.frame("error"); f.str("code") != "internal" {
					t.Errorf("the error frame is %v", f)
				}
			}
			var records []map[string]any
			for line := range bytes.Lines([]byte(log.String())) {
				var record map[string]any
				if err := json.Unmarshal(line, &record); err != nil {
					t.Fatal(err)
				}
				if record["level"] == "ERROR" {
					records = append(records, record)
				}
			}
			if len(records) != 1 {
				t.Fatalf("%d error records: %s", len(records), log.String())
			}
			r := records[0]
			stack, _ := r["stack"].(string)
			if r["callback"] != name || r["user"] != "42" || r["panic"] != "ouch" || stack == "" {
				t.Errorf("the record is %v", r)
			}
		})
	}
}
