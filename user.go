package wirepost

import (
	"slices"
	"sync"
	"time"

	"github.com/wirepost/wirepost/engine"
)

// user is one user while there is a use for it: somebody is connected, a request
// is about the user, or something is still to be saved. All connections share it,
// so an acknowledgement that one of them brought counts for the next at once; the
// saver stores it soon after.
type user struct {
	name  string // the end of inbox
	inbox string // the channel
	refs  int32  // guarded by the users' shard
	// queued is guarded by the saver.
	queued bool

	mu struct {
		sync.Mutex
		pins     int32 // while there are any, the state stays
		sessions []*session
		single   [1]*session // room for the one that most users have
		// userState is nil while the user is cold. Whoever uses it holds a pin.
		*userState
	}
}

func newUser(name string) *user {
	inbox := InboxOf(name)
	return &user{name: inbox[len(inboxPrefix):], inbox: inbox}
}

func (u *user) key() string { return u.name }

// userState is what is stored of a user, with what is still to be saved. Users who
// are connected but idle have none in memory.
type userState struct {
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
		cursors [2]place // the same
	}
}

// mark is a user's read mark in a channel.
type mark struct {
	channel string
	read    uint64
	since   uint64 // where it began: what is not after it was not for the user
	member  bool
	dirty   bool
}

// device is one device of a user. Its fields are guarded by user.mu.
type device struct {
	name    string
	used    int64 // ms since the epoch
	dirty   bool  // used, or some cursor, is to be saved
	cursors []place
}

// place is an acknowledged cursor.
type place struct {
	channel string
	seq     uint64
	dirty   bool
}

// removed is what the saver is to remove. What it is to write has dirty flags.
type removed struct {
	left      []string // channels whose marks and cursors go
	forgotten []string // devices
}

func (u *user) removedLocked() *removed {
	if u.mu.removed == nil {
		u.mu.removed = new(removed)
	}
	return u.mu.removed
}

// newState is a user's state as it is stored.
func newState(stored engine.User) *userState {
	state := new(userState)
	state.marks, state.devices = state.first.marks[:0], state.first.devices[:0]
	for _, m := range stored.Marks {
		state.marks = append(state.marks, mark{channel: m.Channel, read: m.Read, since: m.Since, member: m.Member})
	}
	for _, d := range stored.Devices {
		dev := state.addDevice(d.Name)
		dev.used = d.Used
		for _, c := range d.Cursors {
			dev.cursors = append(dev.cursors, place{channel: c.Channel, seq: c.Seq})
		}
	}
	return state
}

func (state *userState) addDevice(name string) *device {
	d := new(device)
	if state.first.device.cursors == nil {
		d = &state.first.device
		d.cursors = state.first.cursors[:0]
	}
	d.name = name
	state.devices = append(state.devices, d)
	return d
}

// unpin lets the state go cold, later.
func (u *user) unpin() {
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

// cool drops the state of a user who has been idle for stateAge, and says whether
// it did.
func (u *user) cool(now time.Time) bool {
	u.mu.Lock()
	defer u.mu.Unlock()
	if u.mu.pins > 0 || now.Sub(processStart)-u.mu.touched < stateAge {
		return false
	}
	u.mu.userState = nil
	return true
}

func (u *user) markLocked(channel string) *mark {
	for i := range u.mu.marks {
		if u.mu.marks[i].channel == channel {
			return &u.mu.marks[i]
		}
	}
	return nil
}

// addMarkLocked makes a read mark where there is none.
func (u *user) addMarkLocked(channel string, read uint64) *mark {
	u.mu.marks = append(u.mu.marks, mark{channel: channel, read: read, since: read, dirty: true})
	return &u.mu.marks[len(u.mu.marks)-1]
}

// readLocked is the read mark in a channel; 0 where none is stored.
func (u *user) readLocked(channel string) uint64 {
	if m := u.markLocked(channel); m != nil {
		return m.read
	}
	return 0
}

func (u *user) deviceLocked(name string) *device {
	for _, d := range u.mu.devices {
		if d.name == name {
			return d
		}
	}
	return nil
}

func (d *device) cursor(channel string) *place {
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
	p := d.cursor(channel)
	switch {
	case p == nil:
		d.cursors = append(d.cursors, place{channel: channel, seq: seq, dirty: true})
	case p.seq < seq:
		p.seq, p.dirty = seq, true
	default:
		return false
	}
	d.dirty = true
	return true
}

// acknowledge moves a device's cursor, and says whether it moved.
func (u *user) acknowledge(device, channel string, seq uint64) bool {
	u.mu.Lock()
	defer u.mu.Unlock()
	d := u.deviceLocked(device)
	return d != nil && d.advance(channel, seq)
}

// advanceRead moves the read mark forward, never back, and says whether it moved.
func (u *user) advanceRead(channel string, seq uint64) bool {
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

// pinWarm pins the state if it is there, which takes no store.
func (u *user) pinWarm() bool {
	u.mu.Lock()
	defer u.mu.Unlock()
	if u.mu.userState == nil {
		return false
	}
	u.mu.pins++
	return true
}

// deviceRest is how long a device that would lose messages has to be unused before
// it may be forgotten: a client that invents device names does not push out the
// user's phone.
const deviceRest = time.Hour

// connectDevice finds or makes the device of a new session. A new device is given
// room by forgetting another one. It says whether that was so: the new one may then
// have been forgotten itself, earlier.
func (u *user) connectDevice(name string, now time.Time, most int) (forgot bool, err error) {
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
func (u *user) makeRoomLocked(now time.Time, most int) (forgot bool, err error) {
	for len(u.mu.devices) >= most {
		oldest := -1
		for i, d := range u.mu.devices {
			if u.mayForgetLocked(d, now) && (oldest < 0 || d.used < u.mu.devices[oldest].used) {
				oldest = i
			}
		}
		if oldest < 0 {
			return false, Errorf(RateLimited, "user %q has %d devices that are connected or were within the last hour, and more are not allowed: a client has to keep its device's name", u.name, most)
		}
		r := u.removedLocked()
		r.forgotten = append(r.forgotten, u.mu.devices[oldest].name)
		u.mu.devices = slices.Delete(u.mu.devices, oldest, oldest+1)
		forgot = true
	}
	return forgot, nil
}

func (u *user) mayForgetLocked(d *device, now time.Time) bool {
	// A time from the future is a clock's mistake, and protects nothing.
	unused := now.Sub(time.UnixMilli(d.used)).Abs()
	return !u.connectedLocked(d.name) && (unused >= deviceRest || !u.losesLocked(d))
}

// losesLocked says whether a device would miss messages if it was forgotten and came
// back: as a new one it begins at the read marks.
func (u *user) losesLocked(d *device) bool {
	return slices.ContainsFunc(d.cursors, func(p place) bool { return p.seq < u.readLocked(p.channel) })
}

// connectedLocked says whether a session is on the device.
func (u *user) connectedLocked(device string) bool {
	return slices.ContainsFunc(u.mu.sessions, func(s *session) bool { return s.device == device })
}

// leftDevice notes when the device was last used.
func (u *user) leftDevice(name string, now time.Time) {
	u.mu.Lock()
	defer u.mu.Unlock()
	if d := u.deviceLocked(name); d != nil {
		d.used, d.dirty = now.UnixMilli(), true
	}
}

// addSession makes the session one of the user's, from when on it counts as
// online, and returns how many there are. There may be that many; 0 is no limit.
func (u *user) addSession(s *session, most int) (int, error) {
	u.mu.Lock()
	defer u.mu.Unlock()
	if most > 0 && len(u.mu.sessions) >= most {
		return 0, limitError(RateLimited, refusedUserConnections, "this user has as many connections as one may have", 5*time.Second)
	}
	if len(u.mu.sessions) == 0 {
		u.mu.sessions = u.mu.single[:0]
	}
	u.mu.sessions = append(u.mu.sessions, s)
	return len(u.mu.sessions), nil
}

// removeSession ends that. It says whether it did, and whether it was the last one.
func (u *user) removeSession(s *session) (left, last bool) {
	u.mu.Lock()
	defer u.mu.Unlock()
	i := slices.Index(u.mu.sessions, s)
	if i < 0 {
		return false, false
	}
	u.mu.sessions = slices.Delete(u.mu.sessions, i, i+1)
	return true, len(u.mu.sessions) == 0
}

// online returns the user's sessions.
func (u *user) online() []*session {
	u.mu.Lock()
	defer u.mu.Unlock()
	return slices.Clone(u.mu.sessions)
}

// memberships lists the channels with a stored membership.
func (u *user) memberships() []string {
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

// takeChanges appends what is to be saved to updates, and counts it as saved.
// Removals go first: what is set now came after them.
func (u *user) takeChanges(updates []engine.Update) []engine.Update {
	u.mu.Lock()
	defer u.mu.Unlock()
	if r := u.mu.removed; r != nil {
		updates = append(updates, engine.Update{User: u.name, RemoveMarks: r.left, RemoveDevices: r.forgotten})
		u.mu.removed = nil
	}
	u.mu.startTaken = u.mu.startTaken || u.mu.startMade
	u.mu.startMade = false
	n := len(updates)
	updates = append(updates, engine.Update{User: u.name})
	up := &updates[n]
	for i := range u.mu.marks {
		if m := &u.mu.marks[i]; m.dirty {
			m.dirty = false
			up.Marks = append(up.Marks, engine.Mark{Channel: m.channel, Read: m.read, Member: m.member, Since: m.since})
		}
	}
	for _, d := range u.mu.devices {
		if d.dirty {
			up.Devices = append(up.Devices, d.take())
		}
	}
	if len(up.Marks)+len(up.Devices) == 0 {
		return updates[:n]
	}
	return updates
}

func (d *device) take() engine.Device {
	d.dirty = false
	stored := engine.Device{Name: d.name, Used: d.used}
	for i := range d.cursors {
		if p := &d.cursors[i]; p.dirty {
			p.dirty = false
			stored.Cursors = append(stored.Cursors, engine.Cursor{Channel: p.channel, Seq: p.seq})
		}
	}
	return stored
}

// saved is called when what was taken is stored.
func (u *user) saved() {
	u.mu.Lock()
	defer u.mu.Unlock()
	u.mu.startTaken = false
}

// startStored says that all first starting points are stored.
func (u *user) startStored() bool {
	u.mu.Lock()
	defer u.mu.Unlock()
	return !u.mu.startMade && !u.mu.startTaken
}

// putBack makes everything that a failed save took dirty again.
func (u *user) putBack(up *engine.Update) {
	u.mu.Lock()
	defer u.mu.Unlock()
	if len(up.RemoveMarks)+len(up.RemoveDevices) > 0 {
		r := u.removedLocked()
		r.left = append(up.RemoveMarks, r.left...)
		r.forgotten = append(up.RemoveDevices, r.forgotten...)
	}
	for _, saved := range up.Marks {
		if m := u.markLocked(saved.Channel); m != nil {
			m.dirty = true
		}
	}
	for _, saved := range up.Devices {
		d := u.deviceLocked(saved.Name)
		if d == nil {
			continue
		}
		d.dirty = true
		for _, c := range saved.Cursors {
			if p := d.cursor(c.Channel); p != nil {
				p.dirty = true
			}
		}
	}
}
