package wirepost_test

import (
	"context"
	"encoding/json"
	"fmt"
	"testing"

	"github.com/wirepost/wirepost"
)

// TestCallbacksCloseTheConnection: OnMessage and OnCall return a CloseInfo, wrapped or
// not, in each protocol. One that an application may not send counts as a failure.
func TestCallbacksCloseTheConnection(t *testing.T) {
	t.Parallel()
	v1 := []string{"wirepost.v1"}
	moved := wirepost.CloseInfo{Code: 4000, Reason: "moved"}
	for name, tt := range map[string]struct {
		protocols []string
		send      string
		err       error
		want      wirepost.CloseInfo
	}{
		"plain":            {nil, "x", moved, moved},
		"plain, wrapped":   {nil, "x", fmt.Errorf("room 7: %w", moved), moved},
		"plain, forbidden": {nil, "x", wirepost.CloseInfo{Code: 1006}, wirepost.CloseInfo{Code: 1011, Reason: "internal error"}},
		"message":          {v1, `{"type":"message","ref":1,"data":1}`, moved, moved},
		"call":             {v1, `{"type":"call","ref":1,"method":"m"}`, moved, moved},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			closed := make(chan wirepost.CloseInfo, 1)
			n := newNode(t, func(o *wirepost.Options) {
				o.OnMessage = func(context.Context, wirepost.Session, wirepost.Frame) (wirepost.Frame, error) {
					return wirepost.Frame{}, tt.err
				}
				o.OnCall = func(context.Context, wirepost.Session, string, json.RawMessage) (any, error) { return nil, tt.err }
				o.OnDisconnect = func(_ context.Context, _ wirepost.Session, e wirepost.CloseInfo) { closed <- e }
			})
			c := n.dial("user=42", tt.protocols...)
			c.send("%s", tt.send)
			if code := c.closeCode(); code != tt.want.Code {
				t.Errorf("closed with %d, want %d", code, tt.want.Code)
			}
			if e := <-closed; e != tt.want {
				t.Errorf("OnDisconnect got %v, want %v", e, tt.want)
			}
		})
	}
}
