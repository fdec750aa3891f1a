package enginetest

import (
	"context"
	"errors"
	"testing"

	"github.com/wirepost/wirepost/engine"
)

// testDoneContext: a call whose context is done does nothing and returns the cause.
func testDoneContext(t *testing.T, e engine.Engine, _ *Clock) {
	appendAll(t, e, message("a", "1"))
	save(t, e, engine.Update{User: "u", Marks: []engine.Mark{{Channel: "a", Read: 1}}})
	stored := load(t, e, "u")

	cause := errors.New("the cause")
	ctx, cancel := context.WithCancelCause(t.Context())
	cancel(cause)
	w := new(watcher)
	_, appendErr := e.Append(ctx, []engine.Entry{message("a", "2")})
	_, readErr := e.Read(ctx, "a", 0, 1, 1)
	_, beforeErr := e.ReadBefore(ctx, "a", 9, 1, 1)
	_, boundsErr := e.Bounds(ctx, "a")
	_, countErr := e.Count(ctx, "a", 0)
	_, watchErr := e.Watch(ctx, "a", w)
	_, loadErr := e.Load(ctx, "u")
	_, membersErr := e.Members(ctx, "a", "", 1)
	_, usersErr := e.ListUsers(ctx, "", "", 1)
	_, channelsErr := e.ListChannels(ctx, "", "", 1)
	for name, err := range map[string]error{
		"append": appendErr, "read": readErr, "read before": beforeErr, "bounds": boundsErr, "count": countErr, "watch": watchErr,
		"load": loadErr, "members": membersErr, "list users": usersErr, "list channels": channelsErr, "trim": e.Trim(ctx, "a", 1),
		"save": e.Save(ctx, []engine.Update{{User: "u", Leave: []string{"a"}}}, true),
	} {
		equal(t, name, err, cause)
	}
	wantLog(t, e, "a", []int{1}, 0)
	equal(t, "user", load(t, e, "u"), stored)
	appendAll(t, e, message("a", "3"))
	equal(t, "watched", w.len(), 0)
}
