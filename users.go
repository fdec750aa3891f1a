package wirepost

import (
	"hash/maphash"
	"sync"

	"github.com/wirepost/wirepost/engine"
)

// users holds the users there is a use for.
type users struct {
	engine engine.Users
	seed   maphash.Seed
	shard  [shards]struct {
		sync.Mutex
		users map[string]*user
	}
}

func newUsers(e engine.Users) *users {
	us := &users{engine: e, seed: maphash.MakeSeed()}
	for i := range us.shard {
		us.shard[i].users = map[string]*user{}
	}
	return us
}

// acquire returns a user with what is stored of it. The caller owes a call of
// release.
func (us *users) acquire(name string) (*user, error) {
	sh := &us.shard[maphash.String(us.seed, name)%shards]
	sh.Lock()
	u := sh.users[name]
	if u == nil {
		u = &user{name: name}
		sh.users[name] = u
	}
	u.refs++
	sh.Unlock()

	// Loading under the user's lock keeps everybody else who wants this user
	// waiting, and nobody who wants another.
	u.mu.Lock()
	defer u.mu.Unlock()
	if u.mu.loaded {
		return u, nil
	}
	stored, err := us.engine.Load(name)
	if err != nil {
		us.release(u)
		return nil, err
	}
	u.load(stored)
	return u, nil
}

// again takes one more reference to a user that the caller has one to.
func (us *users) again(u *user) {
	sh := &us.shard[maphash.String(us.seed, u.name)%shards]
	sh.Lock()
	defer sh.Unlock()
	u.refs++
}

func (us *users) release(u *user) {
	sh := &us.shard[maphash.String(us.seed, u.name)%shards]
	sh.Lock()
	defer sh.Unlock()
	if u.refs--; u.refs == 0 {
		delete(sh.users, u.name)
	}
}

// online returns the sessions of a user.
func (us *users) online(name string) []*session {
	sh := &us.shard[maphash.String(us.seed, name)%shards]
	sh.Lock()
	u := sh.users[name]
	sh.Unlock()
	if u == nil {
		return nil
	}
	return u.online()
}

// each calls fn for every user in memory, without any lock held.
func (us *users) each(fn func(*user)) {
	for i := range us.shard {
		sh := &us.shard[i]
		sh.Lock()
		all := make([]*user, 0, len(sh.users))
		for _, u := range sh.users {
			all = append(all, u)
		}
		sh.Unlock()
		for _, u := range all {
			fn(u)
		}
	}
}
