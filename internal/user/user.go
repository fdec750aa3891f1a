// Package user holds what is known of users: read marks, devices with their
// acknowledged cursors, memberships and revocations, as they are in the store, and who
// is connected. It keeps the records of users that are in use in memory, and saves
// what changes. Of a connection it knows the device.
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
	// Device is the name of the device that is connected.
	Device() string
}

// User is one user while there is a use for it: somebody is connected, a request
// is about the user, or something is still to be saved. All connections share it,
// so an acknowledgement that one of them brought counts for the next at once; the
// saver stores it soon after.
type User struct {
	inbox string // the channel; the name is the end of it
	refs  int32  // guarded by the users' shard
	// queued is guarded by the saver.
	queued bool

	mu struct {
		sync.Mutex
		pins   int32 // while there are any, the state stays
		conns  []Conn
		single [1]Conn // room for the one that most users have
		// state is nil while the user is not loaded. Whoever uses it holds a pin.
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

// Inbox is the channel that is the user's inbox.
func (u *User) Inbox() string { return u.inbox }

// state is what is stored of a user, with what is still to be saved. Users who
// are connected but idle have none in memory.
type state struct {
	marks   []mark
	devices []*device
	removed *removed      // nil when there is nothing to remove
	touched time.Duration // after processStart
	saving  sync.Mutex    // held from taking the changes until they are stored
	// A first starting point, of a device in a channel or of the user in All, was
	// made; or was among the changes that were taken and is not stored yet.
	startMade, startTaken bool

	// first is room for what nearly every user has. One allocation, and of a size
	// that nothing longer-lived has, leaves no holes in the heap when it goes.
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
	since   uint64 // where it began: what is not after it was not for the user
	member  bool
	joined  bool // the membership is to be saved; dirty is set, too
	dirty   bool
}

// device is one device of a user. Its fields are guarded by user.mu.
type device struct {
	name    string
	used    int64 // ms since the epoch
	dirty   bool  // used, or some cursor, is to be saved
	cursors []cursor
}

// cursor is an acknowledged cursor.
type cursor struct {
	channel string
	seq     uint64
	dirty   bool
}

// removed is what the saver is to remove. What it is to write has dirty flags.
type removed struct {
	left      []string // channels whose marks and cursors go
	forgotten []string // devices
}

func (u *User) removedLocked() *removed {
	if u.mu.removed == nil {
		u.mu.removed = new(removed)
	}
	return u.mu.removed
}

// newState is a user's state as it is stored.
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

// Unpin lets the state go cold, later.
func (u *User) Unpin() {
	u.mu.Lock()
	defer u.mu.Unlock()
	u.mu.pins--
	u.mu.touched = time.Since(processStart)
}

// processStart is what a time.Duration is measured from where a time.Time would be
// three times as large.
var processStart = time.Now()

// stateAge is how long an idle user keeps the state in memory.
const stateAge = 5 * time.Second

// Evict drops the state of a user who has been idle for stateAge, and says whether
// it did.
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

// addMarkLocked makes a read mark where there is none.
func (u *User) addMarkLocked(channel string, read uint64) *mark {
	u.mu.marks = append(u.mu.marks, mark{channel: channel, read: read, since: read, dirty: true})
	return &u.mu.marks[len(u.mu.marks)-1]
}

// readLocked is the read mark in a channel; 0 where none is stored.
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

// advance moves the device's cursor forward, never back, and says whether it
// moved.
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

// Acknowledge moves a device's cursor, and says whether it moved.
func (u *User) Acknowledge(device, channel string, seq uint64) bool {
	u.mu.Lock()
	defer u.mu.Unlock()
	d := u.deviceLocked(device)
	return d != nil && d.advance(channel, seq)
}

// AdvanceRead moves the read mark forward, never back, and says whether it moved.
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

// TryPin pins the state if it is there, which takes no store.
func (u *User) TryPin() bool {
	u.mu.Lock()
	defer u.mu.Unlock()
	if u.mu.state == nil {
		return false
	}
	u.mu.pins++
	return true
}

// deviceRest is how long a device that would lose messages has to be unused before
// it may be forgotten: a client that invents device names does not push out the
// user's phone.
const deviceRest = time.Hour

// ConnectDevice finds or makes the device of a new session. A new device is given
// room by forgetting another one. It says whether that was so: the new one may then
// have been forgotten itself, earlier.
func (u *User) ConnectDevice(name string, now time.Time, most int) (forgot bool, err error) {
	u.mu.Lock()
	defer u.mu.Unlock()
	d := u.deviceLocked(name)
	if d == nil {
		if forgot, err = u.makeRoomLocked(now, most); err != nil {
			return false, err
		}
		d = u.mu.addDevice(name)
	}
	d.used, d.dirty = now.UnixMilli(), true
	return forgot, nil
}

// makeRoomLocked forgets the devices that were unused for longest, of those that
// are not connected and lose nothing, or have been unused for deviceRest.
func (u *User) makeRoomLocked(now time.Time, most int) (forgot bool, err error) {
	for len(u.mu.devices) >= most {
		oldest := -1
		for i, d := range u.mu.devices {
			if u.mayForgetLocked(d, now) && (oldest < 0 || d.used < u.mu.devices[oldest].used) {
				oldest = i
			}
		}
		if oldest < 0 {
			return false, fault.Errorf(fault.RateLimited, "user %q has %d devices that are connected or were within the last hour, and more are not allowed: a client has to keep its device's name", u.Name(), most)
		}
		r := u.removedLocked()
		r.forgotten = append(r.forgotten, u.mu.devices[oldest].name)
		u.mu.devices = slices.Delete(u.mu.devices, oldest, oldest+1)
		forgot = true
	}
	return forgot, nil
}

func (u *User) mayForgetLocked(d *device, now time.Time) bool {
	// A time from the future is a clock's mistake, and protects nothing.
	unused := now.Sub(time.UnixMilli(d.used)).Abs()
	return !u.connectedLocked(d.name) && (unused >= deviceRest || !u.losesLocked(d))
}

// losesLocked says whether a device would miss messages if it was forgotten and came
// back: as a new one it begins at the read marks.
func (u *User) losesLocked(d *device) bool {
	return slices.ContainsFunc(d.cursors, func(c cursor) bool { return c.seq < u.readLocked(c.channel) })
}

// connectedLocked says whether a session is on the device.
func (u *User) connectedLocked(device string) bool {
	return slices.ContainsFunc(u.mu.conns, func(c Conn) bool { return c.Device() == device })
}

// LeftDevice notes when the device was last used.
func (u *User) LeftDevice(name string, now time.Time) {
	u.mu.Lock()
	defer u.mu.Unlock()
	if d := u.deviceLocked(name); d != nil {
		d.used, d.dirty = now.UnixMilli(), true
	}
}

// addConn makes a connection one of the user's, from when on it counts as online, and
// returns how many there are. There may be that many; 0 is no limit.
func (u *User) addConn(c Conn, most int) (int, error) {
	u.mu.Lock()
	defer u.mu.Unlock()
	if most > 0 && len(u.mu.conns) >= most {
		return 0, &fault.Error{
			Code: fault.RateLimited, Message: "this user has as many connections as one may have",
			RetryAfter: 5 * time.Second, Reason: "user_connections",
		}
	}
	if len(u.mu.conns) == 0 {
		u.mu.conns = u.mu.single[:0]
	}
	u.mu.conns = append(u.mu.conns, c)
	return len(u.mu.conns), nil
}

// removeConn ends that. It says whether it did, and whether it was the last one.
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
