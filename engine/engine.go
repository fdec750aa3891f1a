// Package engine is the contract between the Wirepost server and the engines that
// store its data: one append-only log per channel, and a record per user.
//
// Sequences need not be dense, and several processes may share a store, so a
// remote log can implement the contract as well as an embedded store. The suite in
// engine/enginetest checks an implementation.
package engine

import (
	"context"
	"errors"
	"fmt"
	"time"
)

var (
	// ErrUnavailable says that the engine cannot take writes now (disk full, a
	// failed disk, shutting down). Nothing of the call was stored; reads go on.
	// The exception is a write that had begun: it may be stored later, when the
	// storage recovers or after a restart, as a write that a crash interrupts may be.
	// So the entries of an Append that returned this error must not be changed.
	ErrUnavailable = errors.New("storage unavailable")

	// The errors below wrap ErrUnavailable and say why. An engine need not use them.

	// ErrFull says that there is too little space. It passes when there is more.
	ErrFull = fmt.Errorf("%w: too little space is free on the disk", ErrUnavailable)
	// ErrStalled says that a write takes very long, or that the system is out of
	// something that writes need, such as file descriptors. It passes by itself.
	ErrStalled = fmt.Errorf("%w: writes do not get through at the moment", ErrUnavailable)
	// ErrFailed says that no write will succeed before a restart.
	ErrFailed = fmt.Errorf("%w: a write failed, a restart is needed", ErrUnavailable)

	// The errors below say why a node of a cluster takes no writes. They pass by themselves.

	// ErrIsolated says that the node does not reach the log of the cluster.
	ErrIsolated = fmt.Errorf("%w: the node does not reach the log of the cluster", ErrUnavailable)
	// ErrLogStalled says that the log did not take a write in time.
	ErrLogStalled = fmt.Errorf("%w: the log of the cluster did not take a write in time", ErrStalled)
	// ErrCatchingUp says that the node has not applied yet what is in the log.
	ErrCatchingUp = fmt.Errorf("%w: the node is catching up with the log of the cluster", ErrUnavailable)
	// ErrNotUpgraded says that a node of the cluster does not know the operation yet.
	ErrNotUpgraded = fmt.Errorf("%w: a node of the cluster has to be upgraded first", ErrUnavailable)

	// ErrDamaged says that stored data is missing or unreadable. The engine has logged
	// it.
	ErrDamaged = errors.New("the store is damaged")
	// ErrOutdated says that a replica must be replaced by a snapshot of another one.
	ErrOutdated = errors.New("the replica must be replaced by a snapshot")
	// ErrNotFound says that a revocation names no live message.
	ErrNotFound = errors.New("message not found")
	// ErrUnknownNode says that a node is not a member of the cluster.
	ErrUnknownNode = errors.New("no such node")
	// ErrNoResponder says that no node subscribed to a topic of a Bus.
	ErrNoResponder = errors.New("no node responds")
	// ErrClosed is returned by every method after Close.
	ErrClosed = errors.New("engine closed")
)

// IdempotencyWindow is how long an Entry's chosen ID is remembered.
const IdempotencyWindow = 24 * time.Hour

// Engine stores logs and user records. All methods are safe for concurrent use.
//
// A method that may wait takes a context. When the context has ended before the call,
// the method does nothing and returns an error that wraps context.Cause(ctx). When it
// ends during the call, a method that reads returns such an error as soon as it can.
// One that writes (Append, Trim, Save) does so only while it waits to be queued, with
// nothing stored; from then on it waits for the result, so that the caller never has
// to guess whether the write happened.
type Engine interface {
	Log
	Users
	// Epoch names this store. A new or emptied store has another epoch, so a
	// client can tell that the sequences it remembers mean nothing here.
	Epoch() string
	// Close waits for running calls and releases the store. Watchers get no
	// call after it returned.
	Close() error
}

// Health is an optional interface of an Engine, for those that can fail while they
// are open.
type Health interface {
	// Ready returns nil when a write would be taken now, and else an error that
	// wraps ErrUnavailable and, if possible, one of those that say why. It is safe
	// for concurrent use and does not wait for writes.
	Ready() error
}

// Log is one ordered log of records per channel.
type Log interface {
	Timers

	// Append adds the entries in their order and returns one Result for each, in
	// that order. On return every entry without Result.Err is durable and
	// visible to readers, and watchers have been called. The entries of one call
	// may share a commit with those of others. An error means that none of the
	// entries was stored. Entries are not kept after the return, except for the
	// Data slices, which must not be changed from then on.
	Append(ctx context.Context, entries []Entry) ([]Result, error)

	// Read returns live records after a sequence, oldest first: at most
	// maxRecords, and no further record once their data exceeds maxBytes (so
	// always at least one, if there is one).
	Read(ctx context.Context, channel string, after uint64, maxRecords, maxBytes int) (Page, error)

	// ReadBefore is Read backwards: live records before a sequence, newest first. A
	// sequence above the head, such as math.MaxUint64, means all of them.
	ReadBefore(ctx context.Context, channel string, before uint64, maxRecords, maxBytes int) (Page, error)

	// Bounds describes a channel; a channel never written to has zero bounds.
	Bounds(ctx context.Context, channel string) (Bounds, error)

	// Count is the number of live messages (not revocations) after a sequence. It
	// does not take longer because there are more of them, or more holes among them.
	Count(ctx context.Context, channel string, after uint64) (int, error)

	// ListChannels lists the channels that were ever written to, whose names begin with
	// prefix and come after a name in byte order, in that order, at most max. It reads no
	// records.
	ListChannels(ctx context.Context, prefix, after string, max int) ([]string, error)

	// Trim removes every record up to and including through, as retention does:
	// Page.Lost tells readers that had not read them. Sequences continue.
	Trim(ctx context.Context, channel string, through uint64) error

	// Watch calls w with every record appended to the channel from now on, and
	// returns the head: w gets exactly the records after it. Watchers are
	// compared by identity; watching twice is an error of the caller.
	Watch(ctx context.Context, channel string, w Watcher) (head uint64, err error)
	// Unwatch undoes Watch. After it has returned, w gets no further call: it waits for
	// a call in progress, which does not block.
	Unwatch(channel string, w Watcher)
}

// Watcher is called with the new records of one channel, in order. A call comes
// after the records are durable and before their Append returns. It must not
// block and must not call the engine.
type Watcher interface {
	Appended(records []*Record)
}

// Record is one entry of a log. Records are shared between readers: neither a record
// nor its Data may be changed.
type Record struct {
	Seq  uint64 // increasing per channel, from 1; may have holes
	Prev uint64 // the sequence appended before it, fixed at append; 0 for the first
	// Revokes is the sequence of the message that this record revoked, and 0 for
	// a message. A revocation has the ID of the revoked message and no Data.
	Revokes     uint64
	Time        int64 // of the append, in ms since the epoch; never decreasing within a channel
	Expires     int64 // end of the time to live, in ms since the epoch; 0 for none
	ID          string
	Key         string
	ContentType string
	From        string // the publishing user, if a client published it
	Trace       string // the trace context of the push, which no engine interprets; "" if it is not traced
	Data        []byte
}

// Entry is one record for Append to add.
type Entry struct {
	Channel string
	// Revokes makes the entry a revocation of that sequence: the message is
	// removed and a revocation record appended. Without a live message there,
	// Result.Err is ErrNotFound. Of the other fields only Limits count then.
	Revokes uint64
	ID      string
	// Idempotent says that the publisher chose ID: while an earlier append with
	// the same ID in the same channel is younger than IdempotencyWindow, nothing
	// is added and the Result is the earlier one's, with Duplicate set. This
	// holds among concurrent calls and across crashes.
	Idempotent bool
	// Forgets is a chosen ID of the channel that is not remembered any more when this entry
	// is added: an append with it after this one is not a duplicate. If this entry is a
	// duplicate itself, it forgets nothing. So of entries with two IDs that forget each
	// other, in whatever order and by whomever they are appended, every other one is added.
	Forgets string
	// Key removes the earlier live message with the same key of the channel.
	Key         string
	ContentType string
	From        string
	Trace       string
	TTL         time.Duration // time to live from the append on, rounded up to milliseconds; 0 for none
	Data        []byte
	Limits      Limits

	// Sets is a timer that is set in the channel when this entry is added, with the sequence of
	// its record, or 0 if it is Bare. It replaces one with the same kind and ID.
	Sets *Timer
	// Ends is a timer of the channel that is removed with this entry, also if the entry is a
	// duplicate. If the channel has none of its kind, ID and time, nothing is changed, and
	// Result.Err is ErrNotFound.
	Ends *Timer
	// Bare says that no record is added: the entry is about Sets and Ends. Of the other fields
	// only ID and Idempotent count then. It is a duplicate if ID is remembered, which it never is
	// because of this entry, or if the timer that it sets is there already, unless Ends
	// removes it.
	Bare bool
}

// Limits is the retention of a channel. A record's MaxAge is the one
// given at its append; MaxMessages is the one given with the latest append.
type Limits struct {
	MaxAge      time.Duration // rounded up to milliseconds; 0 for no limit
	MaxMessages int           // live messages; the oldest go first; 0 for no limit
}

// Result is the outcome of one Entry.
type Result struct {
	Seq, Prev uint64
	Time      int64 // ms since the epoch
	ID        string
	Duplicate bool
	Due       int64 // when the timer is due that an entry has set, or that made it a duplicate
	Err       error // of this entry alone: ErrNotFound, or a failure to read what it needs
}

// Page is what Read or ReadBefore found.
type Page struct {
	Records []*Record
	// Next is the sequence that the next page comes after: the last one looked at. It
	// is the head (or after, if that is larger) when there was nothing more. Of
	// ReadBefore it is the sequence that the next page comes before: that of the last
	// record here, or 0 when there was nothing more.
	Next uint64
	// Lost says that retention (MaxAge, MaxMessages, Trim) removed records
	// between after and the first record here (or Next, when there is none); of
	// ReadBefore, between before and Next. Collapsed, revoked and expired messages
	// are not a loss.
	Lost bool
}

// Bounds describes a channel's log.
type Bounds struct {
	Head   uint64 // the last sequence appended; 0 when there never was one
	Oldest uint64 // the first live message; 0 when there is none
	Lost   uint64 // the last sequence removed by retention; 0 when there is none
	// Base is the sequence after which the log began, if there may have been records
	// before that are lost; else 0. A reader that begins at 0 does not miss those.
	Base uint64
}

// Users keeps what is stored per user: read marks, memberships, devices and
// their acknowledged cursors, and Web Push subscriptions.
//
// Several nodes may write to one user, each knowing the user as of some time ago. So
// sequences merge: what is stored of a mark or a cursor is the highest value that was
// saved since it was last removed, in whatever order the values came. Memberships, devices
// and Web Push subscriptions are changed by operations, which are applied in order.
type Users interface {
	// Load returns what is stored of a user; the zero User when nothing is.
	Load(ctx context.Context, user string) (User, error)
	// Save applies updates in order. On return they are visible to Load; they
	// are durable no later than any Append that starts afterwards, and at once
	// with sync: then everything that was saved before is durable, too, also
	// when there are no updates.
	Save(ctx context.Context, updates []Update, sync bool) error
	// Members lists the members of a channel that come after a name in byte order,
	// in that order, at most max.
	Members(ctx context.Context, channel, after string, max int) ([]string, error)
	// ListUsers lists the users of which something is stored, whose names begin with
	// prefix and come after a name in byte order, in that order, at most max.
	ListUsers(ctx context.Context, prefix, after string, max int) ([]string, error)
}

// User is what is stored of one user, in no particular order.
type User struct {
	Marks       []Mark
	Memberships []string // channels; each has a mark
	Devices     []Device
	// PushSubscriptions are Web Push subscriptions.
	PushSubscriptions []PushSubscription
}

// Mark is a user's read mark in a channel.
type Mark struct {
	Channel string // "": a mark of the server's own, which is not a sequence
	Read    uint64
	// Since is where the mark began: no message up to it was for the user.
	Since uint64
}

// Device is one device of a user. The empty name is the default device.
type Device struct {
	Name    string
	Used    int64 // last connection, in ms since the epoch
	Cursors []Cursor
}

// Cursor is the last sequence that a device acknowledged in a channel.
type Cursor struct {
	Channel string
	Seq     uint64
}

// PushSubscription is a Web Push subscription of a user's browser.
type PushSubscription struct {
	Endpoint string // names it; not empty, without control characters
	P256dh   []byte // the public key of the browser
	Auth     []byte // the secret that the browser shares with those that send to it
	Device   string // from which it was made, if that is known
	Since    int64  // when it was stored, in ms since the epoch
	Expires  int64  // as the browser said, in ms since the epoch; 0: it does not
}

// Update changes the named parts of one user and leaves the rest. The parts are applied
// in the order of the fields.
type Update struct {
	User string
	// Leave removes marks, with the memberships and, on every device, the cursors in
	// these channels.
	Leave []string
	// Join makes the user a member of these channels, with a mark at 0 where there is
	// none.
	Join []string
	// Marks moves marks forward, and makes those that are not there. Read and Since are
	// each the maximum of what is stored and what is given.
	Marks         []Mark
	RemoveDevices []string // with all their cursors
	// Devices sets Used, and moves the Cursors that are named forward.
	Devices                 []Device
	RemovePushSubscriptions []string // by their endpoints
	// PushSubscriptions are stored, each in place of one with the same endpoint.
	PushSubscriptions []PushSubscription
}
