package presence

// changes are the changes of the list since the last flush, while there are watchers. A
// watcher that began in the meantime knows the first ones: see Watch.seen.
type changes struct {
	base uint64 // the number of changes before the first one
	list []change
	last map[string]int // the index of the last change of each user
}

// change is one change of the list.
type change struct {
	user     string
	entry    []byte // of a user who joined; nil: the user left
	was      bool   // the user was listed at the last flush
	replaced bool   // by a later change of the same user
}

// add adds a change. Was says whether the user was listed before it.
func (c *changes) add(user string, entry []byte, was bool) {
	if i, ok := c.last[user]; ok {
		was = c.list[i].was
		c.list[i] = change{replaced: true}
	}
	if c.last == nil {
		c.last = map[string]int{}
	}
	c.last[user] = len(c.list)
	c.list = append(c.list, change{user: user, entry: entry, was: was})
}

// seen is the number of changes so far.
func (c *changes) seen() uint64 { return c.base + uint64(len(c.list)) }

// reset begins anew.
func (c *changes) reset() { *c = changes{base: c.seen()} }

func (r *room) joinedLocked(m *member, was bool) {
	if r.mu.watched > 0 {
		r.mu.changes.add(m.user, m.appendEntry(nil), was)
	}
}

func (r *room) leftLocked(user string) {
	if r.mu.watched > 0 {
		r.mu.changes.add(user, nil, true)
	}
}

// changedLocked lets the watchers be notified.
func (r *room) changedLocked() {
	if r.mu.watched == 0 || r.mu.queued {
		return
	}
	r.mu.queued = true
	at(r.presence, &r.presence.flushes, Delay, r)
}

// flush notifies the watchers of all changes.
func (r *room) flush() {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.mu.queued = false
	if r.mu.watched > 0 {
		f := newFrame(r.channel, &r.mu.changes, r.mu.members.Len())
		for _, fo := range r.mu.followers {
			fo.loop.Post(delivery{fo, f})
		}
	}
	r.mu.changes.reset()
}
