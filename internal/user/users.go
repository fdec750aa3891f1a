package user

import (
	"context"
	"log/slog"
	"sync/atomic"

	"github.com/wirepost/wirepost/engine"
	"github.com/wirepost/wirepost/internal/evict"
	"github.com/wirepost/wirepost/internal/registry"
)

// Users holds the users in use. It is safe for concurrent use.
type Users struct {
	config Config
	all    *registry.Sharded[*User]
	idle   *evict.Set[*User] // users with a loaded state
	saver  *saver

	online atomic.Int64 // users with a connection
	conns  atomic.Int64 // connections
	// unsettled says that saved changes may not be on disk yet.
	unsettled atomic.Bool
	current   atomic.Bool // see caughtUp
}

// Config is the configuration of Users.
type Config struct {
	Store engine.Users
	// LogOf returns the log that stores a channel.
	LogOf func(channel string) engine.Log
	// Shared says that other nodes change the store, too: Users.Logged is called with
	// every update that the store applies.
	Shared bool
	// Ready returns an error while the store has not caught up with the other nodes. It is
	// called if Shared is set.
	Ready func() error
	// Elsewhere returns the number of connections to other nodes of the user with an inbox.
	// Nil if there are no other nodes.
	Elsewhere func(inbox string) int
	// Record is called with what users did, before the store gets the changes that it made.
	// If it returns an error, they are stored later, and it is called again. Nil if nobody
	// wants to know.
	Record func(ctx context.Context, actions []Action) error
	// AllInMemory says that the channel All is memory-only and so has no read marks.
	AllInMemory bool
	Logger      *slog.Logger
}

// New makes the users of a server. Call Close to stop its goroutines.
func New(c Config) *Users {
	us := &Users{config: c, all: registry.NewSharded[*User](), idle: evict.NewSet[*User](stateAge)}
	us.saver = newSaver(us)
	return us
}

// Close saves the remaining changes.
func (us *Users) Close() {
	us.saver.close()
	us.idle.Close()
}

// Acquire returns a user with the state pinned. The caller must call Release.
func (us *Users) Acquire(ctx context.Context, name string) (*User, error) {
	sh := us.all.Of(name)
	sh.Lock()
	u := sh.Get(name)
	if u == nil {
		u = newUser(name)
		sh.Add(u)
	}
	u.refs++
	sh.Unlock()
	if err := us.Pin(ctx, u); err != nil {
		us.Unref(u)
		return nil, err
	}
	return u, nil
}

// Release undoes Acquire.
func (us *Users) Release(u *User) {
	u.Unpin()
	us.Unref(u)
}

// With calls fn with a user whose state is pinned.
func (us *Users) With(ctx context.Context, name string, fn func(*User) error) error {
	u, err := us.Acquire(ctx, name)
	if err != nil {
		return err
	}
	defer us.Release(u)
	return fn(u)
}

// Pin loads the state, if it is not loaded, and keeps it in memory until Unpin.
func (us *Users) Pin(ctx context.Context, u *User) error {
	// Loading happens under the user's lock, so only callers that need this user wait
	// for it.
	u.mu.Lock()
	defer u.mu.Unlock()
	if u.mu.state == nil {
		stored, err := us.config.Store.Load(ctx, u.Name())
		if err != nil {
			return err
		}
		u.mu.state = newState(stored)
		us.idle.Add(u)
	}
	u.mu.pins++
	return nil
}

// Pinned calls fn with the user's state pinned. It may wait for the store.
func (us *Users) Pinned(ctx context.Context, u *User, fn func()) error {
	if err := us.Pin(ctx, u); err != nil {
		return err
	}
	defer u.Unpin()
	fn()
	return nil
}

// Retain takes another reference to, and another pin of, a user whose state the caller
// has pinned, to be undone by another call of Release.
func (us *Users) Retain(u *User) {
	u.mu.Lock()
	u.mu.pins++
	u.mu.Unlock()
	sh := us.all.Of(u.Name())
	sh.Lock()
	defer sh.Unlock()
	u.refs++
}

// Unref releases the reference alone.
func (us *Users) Unref(u *User) {
	sh := us.all.Of(u.Name())
	sh.Lock()
	defer sh.Unlock()
	if u.refs--; u.refs == 0 {
		sh.Remove(u)
	}
}

// ConnsOf returns the connections of a user.
func (us *Users) ConnsOf(name string) []Conn {
	if u := us.all.Find(name); u != nil {
		return u.Conns()
	}
	return nil
}

// All returns every user in memory.
func (us *Users) All() []*User { return us.all.All() }

// Connect adds a connection to its user, up to limit connections per user (0: any
// number), those to other nodes included.
func (us *Users) Connect(u *User, c Conn, limit int) error {
	if limit > 0 && us.config.Elsewhere != nil {
		if limit -= us.config.Elsewhere(u.inbox); limit <= 0 {
			return errTooMany
		}
	}
	n, err := u.addConn(c, limit)
	if err != nil {
		return err
	}
	us.conns.Add(1)
	if n == 1 {
		us.online.Add(1)
	}
	return nil
}

// Disconnect undoes Connect. It may be called more than once.
func (us *Users) Disconnect(u *User, c Conn) {
	left, last := u.removeConn(c)
	if left {
		us.conns.Add(-1)
	}
	if last {
		us.online.Add(-1)
	}
}

// Online is the number of users with a connection.
func (us *Users) Online() int { return int(us.online.Load()) }

// Connections is the number of connections of all users.
func (us *Users) Connections() int { return int(us.conns.Load()) }
