package events

import (
	"context"
	"fmt"

	"github.com/wirepost/wirepost/engine"
)

// Unacknowledged is a message that was not acknowledged when a step of its escalation was due.
type Unacknowledged struct {
	User, Channel string
	Seq           uint64
	ID            string // of the message
	Step          int    // from 1 on
}

// Selects reports whether an event about a channel is written. A nil Recorder writes none.
func (r *Recorder) Selects(t Type, channel string) bool { return r != nil && r.wants.match(t, channel) }

// Unacknowledged appends the events of messages. The event of a step is written once,
// however often and by whichever nodes it is passed within engine.IdempotencyWindow.
func (r *Recorder) Unacknowledged(ctx context.Context, messages []Unacknowledged) error {
	if err := r.await(ctx); err != nil {
		return err
	}
	entries := make([]engine.Entry, len(messages))
	now := r.config.Now().UnixMilli()
	for i, m := range messages {
		entries[i] = r.entry(stored{
			Type: MessageUnacknowledged, Time: now, User: m.User,
			Data: Data{Channel: m.Channel, Seq: m.Seq, ID: m.ID, Step: m.Step},
		}, hashID("step\x00%s\x00%d\x00%d", m.Channel, m.Seq, m.Step))
		entries[i].Idempotent = true
	}
	results, err := r.config.Log.Append(ctx, entries)
	for i := range results {
		if err == nil {
			err = results[i].Err
		}
	}
	if err != nil {
		return fmt.Errorf("write events: %w", err)
	}
	r.appended(entries, results)
	return nil
}
