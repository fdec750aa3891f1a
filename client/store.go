package client

import (
	"maps"
)

// Bookmark is what a client has to remember from one life of its program to the next.
type Bookmark struct {
	User    string            // whose places these are
	Device  string            // the device's name
	Epoch   string            // names the server's store that the sequences belong to
	Cursors map[string]uint64 // by channel, the last sequence handled
}

// Store keeps a Bookmark. Its methods are safe for concurrent use. [OpenFile] makes
// one; a program with a database of its own may bring another.
type Store interface {
	// Load gives what is kept: the zero Bookmark if that is nothing.
	Load() (Bookmark, error)
	// Save replaces what is kept, at once or not at all.
	Save(Bookmark) error
	// Advance keeps that everything in a channel up to seq was handled, if epoch is
	// that of the Bookmark. It is called for each message, after it was handled and
	// before the next one is.
	Advance(epoch, channel string, seq uint64) error
	Close() error
}

// storeError is an error that no other connection would mend.
type storeError struct{ error }

func (e *storeError) Error() string { return "the client's store: " + e.error.Error() }

func (e *storeError) Unwrap() error { return e.error }

// memoryStore keeps nothing: the client itself knows it all while it lives.
type memoryStore struct{}

func (*memoryStore) Load() (Bookmark, error)              { return Bookmark{}, nil }
func (*memoryStore) Save(Bookmark) error                  { return nil }
func (*memoryStore) Advance(string, string, uint64) error { return nil }
func (*memoryStore) Close() error                         { return nil }

// stateLocked is what the store is to keep.
func (c *Client) stateLocked() Bookmark {
	s := c.mu.state
	s.Cursors = map[string]uint64{}
	for channel, p := range c.mu.places {
		if p.handled > 0 {
			s.Cursors[channel] = p.handled
		}
	}
	return s
}

// clone copies a Bookmark, so that two may own it.
func (s Bookmark) clone() Bookmark {
	s.Cursors = maps.Clone(s.Cursors)
	if s.Cursors == nil {
		s.Cursors = map[string]uint64{}
	}
	return s
}
