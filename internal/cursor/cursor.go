// Package cursor encodes the position of a client without a WebSocket in all its
// channels, which the client returns in its next request.
//
// In base64 for URLs:
//
//	form        1 byte: form
//	flags       1 byte: partial
//	connection  10 bytes, random: the key of the hashes
//	store       8 bytes: the hash of the store's epoch and the user's inbox
//	inbox, all  varints: the sequences in these two channels
//	then for each other channel the hash of its name (8 bytes) and the sequence (varint)
//
// The hashes are keyed by the connection that the cursor was made for, so that an
// attacker cannot choose a channel name that collides with another one in a user's
// cursor (docs/decisions/0010).
//
// A cursor is a part of a URL or a header line, which proxies bound, so it has at most
// MaxLength characters and not every channel may fit. What does not fit resumes at
// the device's stored cursor, which repeats messages but loses none. If channels
// without a stored cursor are left out, the partial flag is set, and their next
// message is preceded by a gap.
package cursor

import (
	"encoding/base64"
	"encoding/binary"
	"strings"

	"github.com/wirepost/wirepost/internal/names"
)

const (
	form    = 2 // the first form had no form byte, and began with a letter
	partial = 1 // flag
	head    = 2 + len(names.ConnectionID{}) + 8

	// MaxLength is the longest cursor, in characters; nginx refuses header lines and
	// URLs from 8 KiB.
	MaxLength = 2048
	// MaxBytes is the same in bytes, before base64.
	MaxBytes = MaxLength / 4 * 3
	maxEntry = 8 + binary.MaxVarintLen64
)

// Writer writes a cursor.
type Writer struct {
	id names.ConnectionID
	b  []byte
}

// Write starts the cursor of a user's connection with that inbox, with the sequences in
// the two channels of every session.
func Write(id names.ConnectionID, epoch, inbox string, inboxSeq, allSeq uint64) *Writer {
	w := &Writer{id: id, b: make([]byte, 0, 128)}
	w.b = append(w.b, form, 0)
	w.b = append(w.b, id[:]...)
	w.b = binary.BigEndian.AppendUint64(w.b, sumStore(id, epoch, inbox))
	w.b = binary.AppendUvarint(w.b, inboxSeq)
	w.b = binary.AppendUvarint(w.b, allSeq)
	return w
}

// sumStore is a hash that identifies the store and the user of a cursor's sequences. A
// cursor does not name its inbox; one that another user presents, for example after a
// page switched users, must not acknowledge anything.
func sumStore(id names.ConnectionID, epoch, inbox string) uint64 {
	return id.Sum(epoch) ^ id.Sum(inbox)
}

// Room reports whether one more channel fits in that many bytes.
func (w *Writer) Room(bytes int) bool { return len(w.b)+maxEntry <= bytes }

// Add adds a channel.
func (w *Writer) Add(channel string, seq uint64) {
	w.b = binary.BigEndian.AppendUint64(w.b, w.id.Sum(channel))
	w.b = binary.AppendUvarint(w.b, seq)
}

// LeaveOut notes that a channel without a stored cursor is not in the cursor.
func (w *Writer) LeaveOut() { w.b[1] |= partial }

func (w *Writer) String() string { return base64.RawURLEncoding.EncodeToString(w.b) }

// Cursor is a parsed cursor.
type Cursor struct {
	// Partial says that channels without a stored cursor were left out.
	Partial bool

	connection names.ConnectionID
	seqs       map[uint64]uint64 // by the hash of the channel; nil: none are known
}

// Of returns the sequence in a channel, if the cursor has one.
func (c *Cursor) Of(channel string) (seq uint64, ok bool) {
	if len(c.seqs) == 0 {
		return 0, false
	}
	seq, ok = c.seqs[c.connection.Sum(channel)]
	return seq, ok
}

// set adds a sequence. If two channels have the same hash, the lower sequence counts:
// that only repeats messages.
func (c *Cursor) set(hash, seq uint64) {
	if known, ok := c.seqs[hash]; ok {
		seq = min(seq, known)
	}
	c.seqs[hash] = seq
}

// Read parses a cursor of a user with that inbox. The sequences of another store,
// another user or an earlier form are ignored: such a cursor only shows that the client
// was connected before. False means that text is not a cursor.
func Read(text, epoch, inbox string) (*Cursor, bool) {
	c, hash, ok := decode(text, inbox)
	if ok && (c.seqs == nil || hash != sumStore(c.connection, epoch, inbox)) {
		c = &Cursor{Partial: true}
	}
	return c, ok
}

func decode(text, inbox string) (c *Cursor, store uint64, ok bool) {
	b, err := base64.RawURLEncoding.DecodeString(text)
	if err != nil || len(b) == 0 {
		return nil, 0, false
	}
	if b[0] != form {
		// The first form is an epoch, a 0 byte, and sequences.
		at := strings.IndexByte(string(b), 0)
		return new(Cursor), 0, at > 0 && b[0] >= ' '
	}
	if len(text) > MaxLength || len(b) < head {
		return nil, 0, false
	}
	c = &Cursor{Partial: b[1]&partial != 0, seqs: map[uint64]uint64{}}
	copy(c.connection[:], b[2:])
	store = binary.BigEndian.Uint64(b[2+len(c.connection):])
	b = b[head:]
	for _, channel := range [...]string{inbox, names.All} {
		seq, n := binary.Uvarint(b)
		if n <= 0 {
			return nil, 0, false
		}
		c.set(c.connection.Sum(channel), seq)
		b = b[n:]
	}
	for len(b) > 0 {
		if len(b) < 9 {
			return nil, 0, false
		}
		seq, n := binary.Uvarint(b[8:])
		if n <= 0 {
			return nil, 0, false
		}
		c.set(binary.BigEndian.Uint64(b), seq)
		b = b[8+n:]
	}
	return c, store, true
}
