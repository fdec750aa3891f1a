package client

import "maps"

// Bookmark is what a client has to remember from one run of its program to the next.
type Bookmark struct {
	User    string            // whose cursors these are
	Device  string            // the device's name
	Epoch   string            // names the server's store that the sequences belong to
	Cursors map[string]uint64 // by channel, the last sequence handled
}

// Store keeps a Bookmark. Its methods are safe for concurrent use. [OpenFile] makes
// one; a program with a database of its own may bring another.
type Store interface {
	// Load returns what is kept: the zero Bookmark if that is nothing.
	Load() (Bookmark, error)
	// Save replaces what is kept, completely or not at all.
	Save(Bookmark) error
	// Advance keeps that everything in a channel up to seq was handled, if epoch is
	// that of the Bookmark. It is called for each message, after it was handled and
	// before the next one is.
	Advance(epoch, channel string, seq uint64) error
	Close() error
}

// storeError is an error that another connection would not change.
type storeError struct{ error }

func (e *storeError) Error() string { return "the client's store: " + e.error.Error() }

func (e *storeError) Unwrap() error { return e.error }

// memoryStore keeps nothing: while the client lives it has all positions itself.
type memoryStore struct{}

func (*memoryStore) Load() (Bookmark, error)              { return Bookmark{}, nil }
func (*memoryStore) Save(Bookmark) error                  { return nil }
func (*memoryStore) Advance(string, string, uint64) error { return nil }
func (*memoryStore) Close() error                         { return nil }

// clone copies a Bookmark, so that two may own it.
func (s Bookmark) clone() Bookmark {
	s.Cursors = maps.Clone(s.Cursors)
	if s.Cursors == nil {
		s.Cursors = map[string]uint64{}
	}
	return s
}
