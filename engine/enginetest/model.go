package enginetest

import (
	"cmp"
	"maps"
	"slices"
	"time"

	"github.com/wirepost/wirepost/engine"
)

// model is the simplest implementation of the contract: slices searched linearly, without
// regard to cost.
type model struct {
	now   func() time.Time
	logs  map[string]*modelLog
	users map[string]*modelUser

	timers []engine.Timer
}

type modelLog struct {
	head, lost uint64
	time       int64
	records    []modelRecord
	dropped    []uint64 // by retention
	results    map[string]engine.Result
}

type modelRecord struct {
	*engine.Record
	deadline int64
}

// log returns a channel's log without expired records.
func (m *model) log(channel string) *modelLog {
	l := m.logs[channel]
	if l == nil {
		l = &modelLog{results: map[string]engine.Result{}}
		m.logs[channel] = l
	}
	now := m.now().UnixMilli()
	l.drop(func(r modelRecord) bool {
		return r.Expires != 0 && r.Expires <= now && (r.deadline == 0 || r.Expires <= r.deadline)
	}, false)
	l.drop(func(r modelRecord) bool { return r.deadline != 0 && r.deadline <= now }, true)
	return l
}

func (l *modelLog) drop(which func(modelRecord) bool, loss bool) {
	l.records = slices.DeleteFunc(l.records, func(r modelRecord) bool {
		if !which(r) {
			return false
		}
		if loss {
			l.dropped = append(l.dropped, r.Seq)
			l.lost = max(l.lost, r.Seq)
		}
		return true
	})
}

func (l *modelLog) messages() (ms []modelRecord) {
	for _, r := range l.records {
		if r.Revokes == 0 {
			ms = append(ms, r)
		}
	}
	return ms
}

func (m *model) append(in *engine.Entry) engine.Result {
	l := m.log(in.Channel)
	if in.Ends != nil && in.Revokes == 0 {
		if t := m.timer(in.Channel, in.Ends); t == nil || t.Due != in.Ends.Due {
			return engine.Result{Err: engine.ErrNotFound}
		}
	}
	at := max(m.now().UnixMilli(), l.time)
	r := &engine.Record{Seq: l.head + 1, Prev: l.head, Time: at}
	if in.Revokes != 0 {
		i := slices.IndexFunc(l.messages(), func(r modelRecord) bool { return r.Seq == in.Revokes })
		if i < 0 {
			return engine.Result{Err: engine.ErrNotFound}
		}
		r.Revokes, r.ID = in.Revokes, l.messages()[i].ID
		l.drop(func(r modelRecord) bool { return r.Seq == in.Revokes }, false)
	} else {
		if first, ok := l.results[in.ID]; ok && in.Idempotent && at-first.Time < engine.IdempotencyWindow.Milliseconds() {
			first.Duplicate = true
			m.endTimer(in)
			return first
		}
		if in.Bare {
			return m.bare(in)
		}
		r.ID, r.Key, r.Data = in.ID, in.Key, in.Data
		if in.TTL != 0 {
			r.Expires = at + ceilMilli(in.TTL)
		}
		if in.Key != "" {
			l.drop(func(r modelRecord) bool { return r.Key == in.Key }, false)
		}
	}
	added := modelRecord{Record: r}
	if in.Limits.MaxAge != 0 {
		added.deadline = at + ceilMilli(in.Limits.MaxAge)
	}
	l.records = append(l.records, added)
	l.head, l.time = r.Seq, at
	if ms := l.messages(); in.Limits.MaxMessages > 0 && len(ms) > in.Limits.MaxMessages {
		last := ms[len(ms)-in.Limits.MaxMessages-1].Seq
		l.drop(func(r modelRecord) bool { return r.Seq <= last }, true)
	}
	result := engine.Result{Seq: r.Seq, Prev: r.Prev, Time: r.Time, ID: r.ID}
	if in.Forgets != "" && in.Revokes == 0 {
		delete(l.results, in.Forgets)
	}
	if in.Idempotent && in.Revokes == 0 {
		l.results[in.ID] = result
	}
	if in.Revokes == 0 {
		m.endTimer(in)
		m.setTimer(in, &result)
	}
	return result
}

// ceilMilli returns a duration in milliseconds, rounded up.
func ceilMilli(d time.Duration) int64 {
	ms := d.Milliseconds()
	if time.Duration(ms)*time.Millisecond < d {
		ms++
	}
	return ms
}

// read returns a page, and whether a record before its end was dropped.
func (m *model) read(channel string, after uint64, maxRecords, maxBytes int) (page engine.Page, missed bool) {
	l := m.log(channel)
	page = engine.Page{Next: max(after, l.head), Lost: after < l.lost}
	size := 0
	for _, r := range l.records {
		if r.Seq <= after {
			continue
		}
		if n := len(page.Records); n > 0 && (n == maxRecords || size > maxBytes) {
			page.Next = page.Records[n-1].Seq
			break
		}
		page.Records = append(page.Records, r.Record)
		size += len(r.Data)
	}
	first := page.Next
	if len(page.Records) > 0 {
		first = page.Records[0].Seq
	}
	missed = slices.ContainsFunc(l.dropped, func(seq uint64) bool { return seq > after && seq <= first })
	return page, missed
}

// readBefore returns a page, newest first, and whether a record in its range was dropped.
func (m *model) readBefore(channel string, before uint64, maxRecords, maxBytes int) (page engine.Page, missed bool) {
	l := m.log(channel)
	size := 0
	for _, r := range slices.Backward(l.records) {
		if r.Seq >= before {
			continue
		}
		if n := len(page.Records); n > 0 && (n == maxRecords || size > maxBytes) {
			page.Next = page.Records[n-1].Seq
			break
		}
		page.Records = append(page.Records, r.Record)
		size += len(r.Data)
	}
	page.Lost = l.lost > 0 && l.lost >= page.Next
	missed = slices.ContainsFunc(l.dropped, func(seq uint64) bool { return seq < before && seq >= page.Next })
	return page, missed
}

func (m *model) trim(channel string, through uint64) {
	m.log(channel).drop(func(r modelRecord) bool { return r.Seq <= through }, true)
}

func (m *model) bounds(channel string) engine.Bounds {
	l := m.log(channel)
	b := engine.Bounds{Head: l.head, Lost: l.lost}
	if ms := l.messages(); len(ms) > 0 {
		b.Oldest = ms[0].Seq
	}
	return b
}

func (m *model) count(channel string, after uint64) (n int) {
	for _, r := range m.log(channel).messages() {
		if r.Seq > after {
			n++
		}
	}
	return n
}

type modelUser struct {
	marks   map[string]engine.Mark
	member  map[string]bool
	used    map[string]int64
	cursors map[[2]string]uint64 // by device and channel
	pushes  map[string]engine.PushSubscription
}

func (m *model) save(up *engine.Update) {
	u := m.users[up.User]
	if u == nil {
		u = &modelUser{map[string]engine.Mark{}, map[string]bool{}, map[string]int64{}, map[[2]string]uint64{}, map[string]engine.PushSubscription{}}
		m.users[up.User] = u
	}
	for _, channel := range up.Leave {
		delete(u.marks, channel)
		delete(u.member, channel)
		maps.DeleteFunc(u.cursors, func(at [2]string, _ uint64) bool { return at[1] == channel })
	}
	mark := func(in engine.Mark) {
		stored := u.marks[in.Channel]
		u.marks[in.Channel] = engine.Mark{Channel: in.Channel, Read: max(stored.Read, in.Read), Since: max(stored.Since, in.Since)}
	}
	for _, channel := range up.Join {
		mark(engine.Mark{Channel: channel})
		u.member[channel] = true
	}
	for _, in := range up.Marks {
		mark(in)
	}
	for _, name := range up.RemoveDevices {
		delete(u.used, name)
		maps.DeleteFunc(u.cursors, func(at [2]string, _ uint64) bool { return at[0] == name })
	}
	for _, d := range up.Devices {
		u.used[d.Name] = d.Used
		for _, c := range d.Cursors {
			at := [2]string{d.Name, c.Channel}
			u.cursors[at] = max(u.cursors[at], c.Seq)
		}
	}
	for _, endpoint := range up.RemovePushSubscriptions {
		delete(u.pushes, endpoint)
	}
	for _, in := range up.PushSubscriptions {
		u.pushes[in.Endpoint] = in
	}
}

func (m *model) load(name string) (out engine.User) {
	u := m.users[name]
	if u == nil {
		return out
	}
	out.Marks = slices.Collect(maps.Values(u.marks))
	out.Memberships = slices.Collect(maps.Keys(u.member))
	out.PushSubscriptions = slices.Collect(maps.Values(u.pushes))
	for name, used := range u.used {
		d := engine.Device{Name: name, Used: used}
		for at, seq := range u.cursors {
			if at[0] == name {
				d.Cursors = append(d.Cursors, engine.Cursor{Channel: at[1], Seq: seq})
			}
		}
		out.Devices = append(out.Devices, d)
	}
	sortUser(&out)
	return out
}

func (m *model) members(channel string) (names []string) {
	for name, u := range m.users {
		if u.member[channel] {
			names = append(names, name)
		}
	}
	slices.Sort(names)
	return names
}

func (m *model) listUsers() (names []string) {
	for name, u := range m.users {
		if len(u.marks)+len(u.used)+len(u.pushes) > 0 {
			names = append(names, name)
		}
	}
	slices.Sort(names)
	return names
}

func (m *model) listChannels() (names []string) {
	for name, l := range m.logs {
		if l.head > 0 {
			names = append(names, name)
		}
	}
	slices.Sort(names)
	return names
}

// bare changes only timers.
func (m *model) bare(in *engine.Entry) engine.Result {
	result := engine.Result{Time: m.now().UnixMilli(), ID: in.ID}
	m.endTimer(in)
	if in.Sets != nil {
		if t := m.timer(in.Channel, in.Sets); t != nil {
			result.Duplicate, result.Due = true, t.Due
			return result
		}
	}
	m.setTimer(in, &result)
	return result
}

// timer returns the timer of a channel with the kind and ID of another, or nil.
func (m *model) timer(channel string, like *engine.Timer) *engine.Timer {
	for i := range m.timers {
		if t := &m.timers[i]; t.Channel == channel && t.Kind == like.Kind && t.ID == like.ID {
			return t
		}
	}
	return nil
}

func (m *model) endTimer(in *engine.Entry) {
	if in.Ends != nil {
		t := *m.timer(in.Channel, in.Ends)
		m.timers = slices.DeleteFunc(m.timers, func(other engine.Timer) bool {
			return other.Channel == t.Channel && other.Kind == t.Kind && other.ID == t.ID
		})
	}
}

func (m *model) setTimer(in *engine.Entry, out *engine.Result) {
	if in.Sets == nil {
		return
	}
	t := *in.Sets
	t.Channel, t.Seq, out.Due = in.Channel, out.Seq, t.Due
	if replaced := m.timer(in.Channel, &t); replaced != nil {
		*replaced = t
	} else {
		m.timers = append(m.timers, t)
	}
}

func (m *model) due(at int64, limit int) []engine.Timer {
	timers := slices.Clone(m.timers)
	slices.SortFunc(timers, func(a, b engine.Timer) int {
		return cmp.Or(cmp.Compare(a.Due, b.Due), cmp.Compare(a.Kind, b.Kind), cmp.Compare(a.Channel, b.Channel), cmp.Compare(a.ID, b.ID))
	})
	timers = slices.DeleteFunc(timers, func(t engine.Timer) bool { return t.Due > at })
	return timers[:min(limit, len(timers))]
}

func (m *model) list(kind engine.TimerKind) []engine.Timer {
	timers := slices.DeleteFunc(slices.Clone(m.timers), func(t engine.Timer) bool { return t.Kind != kind })
	slices.SortFunc(timers, func(a, b engine.Timer) int {
		return cmp.Or(cmp.Compare(a.Channel, b.Channel), cmp.Compare(a.ID, b.ID))
	})
	return timers
}
