package engine

import "context"

// Timer is something to do at a time, stored durably with a channel. What it is for is up
// to the caller: an engine neither acts on a timer nor removes it when it is due. The caller
// reads what is due, and removes a timer with the entry that is its effect (Entry.Ends), so
// that the effect happens once, whoever else tries the same.
type Timer struct {
	Channel string
	// Kind and ID name the timer in the channel.
	Kind TimerKind
	ID   string // in Entry.Sets, if it is empty: the sequence of the record, in decimal
	Due  int64  // in ms since the epoch, not negative
	Seq  uint64 // the message with which it was set; 0 for none
	Data []byte
}

// TimerKind says what timers are for. They are listed by kind.
type TimerKind byte

// The kinds of timers.
const (
	TimerPush TimerKind = 'p' // a scheduled push; such timers are found by ID, too
	TimerStep TimerKind = 's' // a step of an escalation
)

// Timers is the part of a Log that keeps timers. They are set and removed by Log.Append.
type Timers interface {
	// DueTimers returns timers that are due at a time, in ms since the epoch, or before it,
	// in the order in which they are due, at most max, and next, the time before which none
	// of the others is due unless it is set later. It does not take longer because there are
	// more timers, and hardly any time if none is due.
	DueTimers(ctx context.Context, at int64, max int) (timers []Timer, next int64, err error)

	// ListTimers lists timers of a kind, in the order of their channels and IDs, at most
	// max. It reads no others than those that it returns.
	ListTimers(ctx context.Context, q TimerQuery, max int) ([]Timer, error)
}

// TimerQuery selects timers of a kind.
type TimerQuery struct {
	Kind    TimerKind
	Channel string // "": any
	ID      string // "": any; with TimerPush only, unless there is a Channel
	// AfterChannel and AfterID continue a list after the timer that they name. Of a list
	// of one channel, only AfterID counts; of one ID, only AfterChannel.
	AfterChannel, AfterID string
}
