package presence

import (
	"encoding/json"
	"fmt"
	"runtime"
	"testing"
	"time"
)

// counter counts what its client is sent.
type counter struct{ frames, bytes *int }

func (c counter) WritePresence(parts ...[]byte) bool {
	*c.frames++
	for _, p := range parts {
		*c.bytes += len(p)
	}
	return true
}

const crowd = 5000

// BenchmarkRoom is a room of 5 000 users that all come within one second, as after a restart
// of the server: each is sent the list, and what changes, until all are there.
func BenchmarkRoom(b *testing.B) {
	for b.Loop() {
		benchmarkRoom(b, false)
	}
}

// BenchmarkRoomAgain is the same room, whose connections are lost and come back within the
// grace: nobody is told, and each is sent the list.
func BenchmarkRoomAgain(b *testing.B) {
	for b.Loop() {
		benchmarkRoom(b, true)
	}
}

func benchmarkRoom(b *testing.B, again bool) {
	p := New(Config{Enabled: func(string) bool { return true }, Now: func() int64 { return time.Now().UnixMilli() }})
	defer p.Close()
	var frames, bytes, lists int
	l := &loop{}
	flush := func() {
		r := p.find("room")
		r.mu.Unlock()
		r.flush()
		l.run()
	}
	watches := make([]*Watch, crowd)
	enter := func() {
		for i := range crowd {
			p.Join("room", fmt.Sprint("user-", i), json.RawMessage(fmt.Sprintf(`{"name":"Somebody %d"}`, i)))
			w, snapshot := p.Watch("room", counter{&frames, &bytes}, l)
			watches[i] = w
			for _, part := range snapshot.In([]byte(`{"type":"ok","ref":1,"seq":0,"oldest":0,"resumed":true}`)) {
				lists += len(part)
			}
			if i%(crowd/4) == crowd/4-1 {
				flush() // 4 times a second
			}
		}
	}
	if again {
		enter()
		for i, w := range watches {
			w.Stop(l)
			p.Leave("room", fmt.Sprint("user-", i), Lost)
		}
		frames, bytes, lists = 0, 0, 0
		b.ResetTimer()
	}
	enter()
	b.ReportMetric(float64(frames)/crowd, "frames/user")
	b.ReportMetric(float64(bytes)/crowd, "B-changes/user")
	b.ReportMetric(float64(lists)/crowd, "B-lists/user")
}

// BenchmarkMemory measures what one present user takes, without the name and the info.
func BenchmarkMemory(b *testing.B) {
	const users = 100_000
	for b.Loop() {
		names := make([]string, users)
		for i := range names {
			names[i] = fmt.Sprint("user-", i)
		}
		p := New(Config{Now: func() int64 { return 1 }})
		before := heap()
		for _, name := range names {
			p.Join("room", name, nil)
		}
		b.ReportMetric(float64(heap()-before)/users, "B/user")
		before = heap()
		for _, name := range names {
			p.Join("room:"+name, name, nil)
		}
		b.ReportMetric(float64(heap()-before)/users, "B/user-alone")
		p.Close()
		runtime.KeepAlive(names)
	}
}

func heap() uint64 {
	var m runtime.MemStats
	runtime.GC()
	runtime.ReadMemStats(&m)
	return m.HeapAlloc
}
