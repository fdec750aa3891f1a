// Package user holds the server's knowledge of users: read marks, devices with their
// acknowledged cursors, memberships and revocations, as stored, and the connected
// sessions. It keeps the records of users in use in memory and saves changes. Of a
// connection it knows only the device.
package user

import (
	"slices"
	"sync"
	"time"

	"github.com/wirepost/wirepost/engine"
	"github.com/wirepost/wirepost/internal/fault"
	"github.com/wirepost/wirepost/internal/names"
)

// Conn is a connection of a user.
type Conn interface {
	// Device is the name of the connected device.
	Device() string
}

// User is one user while in use: while the user is connected, a request concerns the
// user, or changes are still unsaved. All connections share it, so an acknowledgement
// from one connection takes effect for the others at once; the saver stores it soon
// after.
type User struct {
	inbox string // the inbox channel, which ends with the user's name
	refs  int32  // guarded by the users' shard
	// queued is guarded by the saver.
	queued bool

	mu struct {
		sync.Mutex
		pins   int32 // while not 0, the state stays in memory
		conns  []Conn
		single [1]Conn        // storage for one connection, the usual number
		flight *engine.Update // the changes of the save in progress; nil when they are stored
		// state is nil while it is not loaded. A caller that uses it holds a pin.
		*state
	}
}

func newUser(name string) *User {
	return &User{inbox: names.Inbox(name)}
}

// Key is the user's name.
func (u *User) Key() string { return u.Name() }

// Name is the user's name.
func (u *User) Name() string { return u.inbox[len(names.InboxPrefix):] }

// Inbox is the name of the user's inbox channel.
func (u *User) Inbox() string { return u.inbox }

// state is a user's stored state, with the changes that are not saved yet. It is not
// kept in memory for users that are connected but idle.
type state struct {
	marks   []mark
	devices []*device
	removed *removed      // nil if nothing is to be removed
	touched time.Duration // after processStart
	saving  sync.Mutex    // held from taking the changes until they are stored
	// startMade says that a first starting point was made, of a device in a channel or
	// of the user in All; startTaken, that it was among the changes taken and is not
	// stored yet.
	startMade, startTaken bool

	// first is storage for the usual number of entries. It makes the state one
	// allocation, of a size class that no longer-lived object uses, so that freeing it
	// leaves no holes in the heap.
	first struct {
		marks   [2]mark // of the inbox and of All
		device  device
		devices [1]*device
		cursors [2]cursor // the same
	}
}

// mark is a user's read mark in a channel.
type mark struct {
	channel string
	read    uint64
	since   uint64 // where it began: earlier messages were not sent to the user
	member  bool
	joined  bool // the membership is unsaved; dirty is set as well
	dirty   bool
}

// device is one device of a user. Its fields are guarded by user.mu.
type device struct {
	name    string
	used    int64 // ms since the epoch
	dirty   bool  // used, or a cursor, is unsaved
	cursors []cursor
}

// cursor is an acknowledged cursor.
type cursor struct {
	channel string
	seq     uint64
	dirty   bool
	acked   bool // by the device, and not saved yet: it is more than where the device begins
	taken   bool // the changes taken last had an acknowledgement
}

// removed lists what the saver is to remove. Changes to be written are marked by dirty
// flags.
type removed struct {
	left      []string // channels whose marks and cursors are removed
	forgotten []string // devices
}

func (u *User) removedLocked() *removed {
	if u.mu.removed == nil {
		u.mu.removed = new(removed)
	}
	return u.mu.removed
}

// newState makes a user's state from the stored form.
func newState(stored engine.User) *state {
	st := new(state)
	st.marks, st.devices = st.first.marks[:0], st.first.devices[:0]
	for _, m := range stored.Marks {
		member := slices.Contains(stored.Memberships, m.Channel)
		st.marks = append(st.marks, mark{channel: m.Channel, read: m.Read, since: m.Since, member: member})
	}
	for _, d := range stored.Devices {
		dev := st.addDevice(d.Name)
		dev.used = d.Used
		for _, c := range d.Cursors {
			dev.cursors = append(dev.cursors, cursor{channel: c.Channel, seq: c.Seq})
		}
	}
	return st
}

func (st *state) addDevice(name string) *device {
	d := new(device)
	if st.first.device.cursors == nil {
		d = &st.first.device
		d.cursors = st.first.cursors[:0]
	}
	d.name = name
	st.devices = append(st.devices, d)
	return d
}

// Unpin releases a pin; the state may then be evicted.
func (u *User) Unpin() {
	u.mu.Lock()
	defer u.mu.Unlock()
	u.mu.pins--
	u.mu.touched = time.Since(processStart)
}

// processStart is the base of times kept as a time.Duration, which takes a third of the
// memory of a time.Time.
var processStart = time.Now()

// stateAge is how long the state of an idle user stays in memory.
const stateAge = 5 * time.Second

// Evict drops the state of a user idle for stateAge, and reports whether it did.
func (u *User) Evict(now time.Time) bool {
	u.mu.Lock()
	defer u.mu.Unlock()
	if u.mu.pins > 0 || now.Sub(processStart)-u.mu.touched < stateAge {
		return false
	}
	u.mu.state = nil
	return true
}

func (u *User) markLocked(channel string) *mark {
	for i := range u.mu.marks {
		if u.mu.marks[i].channel == channel {
			return &u.mu.marks[i]
		}
	}
	return nil
}

// addMarkLocked adds a read mark that does not exist yet.
func (u *User) addMarkLocked(channel string, read uint64) *mark {
	u.mu.marks = append(u.mu.marks, mark{channel: channel, read: read, since: read, dirty: true})
	return &u.mu.marks[len(u.mu.marks)-1]
}

// Read is the user's read mark in a channel. The state is pinned.
func (u *User) Read(channel string) uint64 {
	u.mu.Lock()
	defer u.mu.Unlock()
	return u.readLocked(channel)
}

// readLocked is the read mark in a channel; 0 if none is stored.
func (u *User) readLocked(channel string) uint64 {
	if m := u.markLocked(channel); m != nil {
		return m.read
	}
	return 0
}

func (u *User) deviceLocked(name string) *device {
	for _, d := range u.mu.devices {
		if d.name == name {
			return d
		}
	}
	return nil
}

func (d *device) find(channel string) *cursor {
	for i := range d.cursors {
		if d.cursors[i].channel == channel {
			return &d.cursors[i]
		}
	}
	return nil
}

// advance moves the device's cursor forward, never back, and reports whether it moved.
func (d *device) advance(channel string, seq uint64) bool {
	p := d.find(channel)
	switch {
	case p == nil:
		d.cursors = append(d.cursors, cursor{channel: channel, seq: seq, dirty: true})
	case p.seq < seq:
		p.seq, p.dirty = seq, true
	default:
		return false
	}
	d.dirty = true
	return true
}

// Acknowledge moves a device's cursor, and reports whether it moved.
func (u *User) Acknowledge(device, channel string, seq uint64) bool {
	u.mu.Lock()
	defer u.mu.Unlock()
	d := u.deviceLocked(device)
	if d == nil || !d.advance(channel, seq) {
		return false
	}
	d.find(channel).acked = true
	return true
}

// AdvanceRead moves the read mark forward, never back, and reports whether it moved.
func (u *User) AdvanceRead(channel string, seq uint64) bool {
	u.mu.Lock()
	defer u.mu.Unlock()
	m := u.markLocked(channel)
	if m == nil {
		m = u.addMarkLocked(channel, 0)
	}
	if seq <= m.read {
		return false
	}
	m.read, m.dirty = seq, true
	return true
}

// TryPin pins the state if it is loaded, without access to the store.
func (u *User) TryPin() bool {
	u.mu.Lock()
	defer u.mu.Unlock()
	if u.mu.state == nil {
		return false
	}
	u.mu.pins++
	return true
}

// deviceRest is how long a device that would lose messages must be unused before it may
// be forgotten, so that a client that invents device names cannot displace the user's
// phone.
const deviceRest = time.Hour

// Full reports whether another device must be forgotten to make one with this name.
func (u *User) Full(name string, limit int) bool {
	u.mu.Lock()
	defer u.mu.Unlock()
	return u.deviceLocked(name) == nil && len(u.mu.devices) >= limit
}

// ConnectDevice finds or makes the device of a new session. If the limit is reached,
// another device is forgotten, and forgot is true: the new device may itself have been
// forgotten earlier. Busy are devices that are connected to other nodes.
func (u *User) ConnectDevice(name string, now time.Time, limit int, busy ...string) (forgot bool, err error) {
	u.mu.Lock()
	defer u.mu.Unlock()
	d := u.deviceLocked(name)
	if d == nil {
		if forgot, err = u.makeRoomLocked(now, limit, busy); err != nil {
			return false, err
		}
		d = u.mu.addDevice(name)
	}
	d.used, d.dirty = now.UnixMilli(), true
	return forgot, nil
}

// makeRoomLocked forgets the longest unused devices, of those that are not connected
// and either lose nothing or have been unused for deviceRest.
func (u *User) makeRoomLocked(now time.Time, limit int, busy []string) (forgot bool, err error) {
	for len(u.mu.devices) >= limit {
		oldest := -1
		for i, d := range u.mu.devices {
			if u.mayForgetLocked(d, now) && !slices.Contains(busy, d.name) && (oldest < 0 || d.used < u.mu.devices[oldest].used) {
				oldest = i
			}
		}
		if oldest < 0 {
			return false, fault.Errorf(fault.RateLimited, "user %q has %d devices that are connected or were used within the last hour, which is the limit: a client must keep its device name", u.Name(), limit)
		}
		r := u.removedLocked()
		r.forgotten = append(r.forgotten, u.mu.devices[oldest].name)
		u.mu.devices = slices.Delete(u.mu.devices, oldest, oldest+1)
		forgot = true
	}
	return forgot, nil
}

func (u *User) mayForgetLocked(d *device, now time.Time) bool {
	// A time in the future comes from a wrong clock, and protects nothing.
	unused := now.Sub(time.UnixMilli(d.used)).Abs()
	return !u.connectedLocked(d.name) && (unused >= deviceRest || !u.losesLocked(d))
}

// losesLocked reports whether a device would miss messages if it were forgotten and
// came back: as a new device it begins at the read marks.
func (u *User) losesLocked(d *device) bool {
	return slices.ContainsFunc(d.cursors, func(c cursor) bool { return c.seq < u.readLocked(c.channel) })
}

// connectedLocked reports whether the device has a session.
func (u *User) connectedLocked(device string) bool {
	return slices.ContainsFunc(u.mu.conns, func(c Conn) bool { return c.Device() == device })
}

// LeftDevice records when the device was last used.
func (u *User) LeftDevice(name string, now time.Time) {
	u.mu.Lock()
	defer u.mu.Unlock()
	if d := u.deviceLocked(name); d != nil {
		d.used, d.dirty = now.UnixMilli(), true
	}
}

var errTooMany = &fault.Error{
	Code: fault.RateLimited, Message: "this user has the maximum number of connections",
	RetryAfter: 5 * time.Second, Reason: "user_connections",
}

// addConn adds a connection, which makes the user online, and returns the number of
// connections. There may be at most limit; 0 is any number.
func (u *User) addConn(c Conn, limit int) (int, error) {
	u.mu.Lock()
	defer u.mu.Unlock()
	if limit > 0 && len(u.mu.conns) >= limit {
		return 0, errTooMany
	}
	if len(u.mu.conns) == 0 {
		u.mu.conns = u.mu.single[:0]
	}
	u.mu.conns = append(u.mu.conns, c)
	return len(u.mu.conns), nil
}

// removeConn removes a connection. It reports whether it did, and whether it was the
// user's last.
func (u *User) removeConn(c Conn) (left, last bool) {
	u.mu.Lock()
	defer u.mu.Unlock()
	i := slices.Index(u.mu.conns, c)
	if i < 0 {
		return false, false
	}
	u.mu.conns = slices.Delete(u.mu.conns, i, i+1)
	return true, len(u.mu.conns) == 0
}

// Conns returns the user's connections, oldest first.
func (u *User) Conns() []Conn {
	u.mu.Lock()
	defer u.mu.Unlock()
	return slices.Clone(u.mu.conns)
}

// Memberships lists the channels with a stored membership.
func (u *User) Memberships() []string {
	u.mu.Lock()
	defer u.mu.Unlock()
	var channels []string
	for _, m := range u.mu.marks {
		if m.member {
			channels = append(channels, m.channel)
		}
	}
	return channels
}
