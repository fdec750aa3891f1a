package wirepost

import (
	"hash/maphash"
	"sync"
	"sync/atomic"

	"github.com/wirepost/wirepost/engine"
)

// users holds the users there is a use for.
type users struct {
	engine      engine.Users
	warm        *warmSet[*user]
	seed        maphash.Seed
	online      atomic.Int64 // users with a session
	connections atomic.Int64 // sessions
	// unsettled says that something was saved that need not be on disk yet.
	unsettled atomic.Bool
	shard     [shards]userShard
}

type userShard struct {
	sync.Mutex
	users nameTable[*user]
}

func newUsers(e engine.Users) *users {
	return &users{engine: e, warm: newWarmSet[*user](stateAge), seed: maphash.MakeSeed()}
}

// acquire returns a user with the state pinned. The caller owes a call of release.
func (us *users) acquire(name string) (*user, error) {
	sh := us.shardOf(name)
	sh.Lock()
	u := sh.users.get(name)
	if u == nil {
		u = newUser(name)
		sh.users.add(u)
	}
	u.refs++
	sh.Unlock()
	if err := us.pin(u); err != nil {
		us.unref(u)
		return nil, err
	}
	return u, nil
}

// release gives back what acquire returned.
func (us *users) release(u *user) {
	u.unpin()
	us.unref(u)
}

// pin loads the state, if the user is cold, and keeps it until unpin.
func (us *users) pin(u *user) error {
	// Loading under the user's lock keeps everybody else who wants this user
	// waiting, and nobody who wants another.
	u.mu.Lock()
	defer u.mu.Unlock()
	if u.mu.userState == nil {
		stored, err := us.engine.Load(u.name)
		if err != nil {
			return err
		}
		u.mu.userState = newState(stored)
		us.warm.add(u)
	}
	u.mu.pins++
	return nil
}

// pinned runs fn with the user's state pinned. It may wait for the store.
func (us *users) pinned(u *user, fn func()) error {
	if err := us.pin(u); err != nil {
		return err
	}
	defer u.unpin()
	fn()
	return nil
}

// again takes one more reference to a user whose state the caller has pinned, and
// pins it once more.
func (us *users) again(u *user) {
	u.mu.Lock()
	u.mu.pins++
	u.mu.Unlock()
	sh := us.shardOf(u.name)
	sh.Lock()
	defer sh.Unlock()
	u.refs++
}

func (us *users) unref(u *user) {
	sh := us.shardOf(u.name)
	sh.Lock()
	defer sh.Unlock()
	if u.refs--; u.refs == 0 {
		sh.users.remove(u)
	}
}

func (us *users) shardOf(name string) *userShard {
	return &us.shard[maphash.String(us.seed, name)%shards]
}

// sessionsOf returns the sessions of a user.
func (us *users) sessionsOf(name string) []*session {
	sh := us.shardOf(name)
	sh.Lock()
	u := sh.users.get(name)
	sh.Unlock()
	if u == nil {
		return nil
	}
	return u.online()
}

// join makes a session one of its user's, and leave ends that.
func (us *users) join(s *session, most int) error {
	n, err := s.user.addSession(s, most)
	if err != nil {
		return err
	}
	us.connections.Add(1)
	if n == 1 {
		us.online.Add(1)
	}
	return nil
}

func (us *users) leave(s *session) {
	left, last := s.user.removeSession(s)
	if left {
		us.connections.Add(-1)
	}
	if last {
		us.online.Add(-1)
	}
}

// each calls fn for every user in memory, without any lock held.
func (us *users) each(fn func(*user)) {
	for i := range us.shard {
		sh := &us.shard[i]
		sh.Lock()
		all := make([]*user, 0, sh.users.count)
		sh.users.each(func(u *user) { all = append(all, u) })
		sh.Unlock()
		for _, u := range all {
			fn(u)
		}
	}
}
