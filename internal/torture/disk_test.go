package torture

import (
	"context"
	"errors"
	"log/slog"
	"math/rand/v2"
	"net"
	"net/http"
	"sync/atomic"
	"testing"
	"time"

	"github.com/cockroachdb/pebble/v2/vfs"
	"github.com/cockroachdb/pebble/v2/vfs/errorfs"

	"github.com/wirepost/wirepost"
	"github.com/wirepost/wirepost/auth"
	"github.com/wirepost/wirepost/engine"
	"github.com/wirepost/wirepost/engine/pebble"
	"github.com/wirepost/wirepost/httpapi"
)

// inProcess is a server in this process, with an in-memory disk that fails on demand
// and its own clock.
type inProcess struct {
	t      testing.TB
	random *rand.Rand
	proxy  *proxy // closed before the power is cut
	disk   *vfs.MemFS
	clock  clock
	faults faultyDisk

	// open opens the engine; nil: a store of its own.
	open func(pebble.Options) (engine.Engine, error)

	server *wirepost.Server
	engine engine.Engine
	http   *http.Server
	served chan struct{}
}

// clock is the system's clock, with a wall clock that jumps.
type clock struct{ ahead atomic.Int64 }

var clockStart = time.Now()

func (c *clock) elapsed() time.Duration { return time.Since(clockStart) }

func (c *clock) Now() time.Time       { return time.Now().Add(time.Duration(c.ahead.Load())) }
func (c *clock) jump(d time.Duration) { c.ahead.Add(int64(d)) }

// faultyDisk configures the faults of a disk's writes.
type faultyDisk struct {
	readOnly atomic.Bool
	latency  atomic.Int64 // of each write and sync
}

var errReadOnly = errors.New("read-only file system")

func (f *faultyDisk) wrap(disk vfs.FS) vfs.FS {
	return errorfs.Wrap(disk, errorfs.InjectorFunc(func(op errorfs.Op) error {
		if op.Kind.ReadOrWrite() != errorfs.OpIsWrite {
			return nil
		}
		if d := f.latency.Load(); d > 0 {
			time.Sleep(time.Duration(rand.Int64N(d))) // a slow disk
		}
		if f.readOnly.Load() {
			return errReadOnly
		}
		return nil
	}))
}

var quiet = slog.New(slog.DiscardHandler)

func (p *inProcess) start() string {
	p.t.Helper()
	if p.disk == nil {
		p.disk = vfs.NewCrashableMem()
		p.free(1 << 30)
	}
	if p.open == nil {
		p.open = func(o pebble.Options) (engine.Engine, error) { return pebble.Open("store", o) }
	}
	var err error
	if p.engine, err = p.open(pebble.Options{
		FS: p.faults.wrap(p.disk), Now: p.clock.Now, Elapsed: p.clock.elapsed, Logger: quiet,
		MemTableBytes: 256 << 10, MinFree: 64 << 20, SweepEvery: 50 * time.Millisecond,
	}); err != nil {
		p.t.Fatal(err)
	}
	verifier, err := auth.New(auth.Options{Secrets: []string{tokenSecret}})
	if err != nil {
		p.t.Fatal(err)
	}
	if p.server, err = wirepost.New(wirepost.Options{
		Engine: p.engine, Logger: quiet, VerifyToken: verifier.Verify,
		Heartbeat: time.Second, AckDelay: 20 * time.Millisecond, Window: 32,
		Channels: []wirepost.Policy{{Pattern: "short:*", MaxMessages: 40, MaxAge: time.Hour}},
	}); err != nil {
		p.t.Fatal(err)
	}
	mux := http.NewServeMux()
	mux.Handle("/ws", p.server)
	mux.Handle("/sse", p.server.Events())
	mux.Handle("/poll", p.server.Poll())
	api := httpapi.New(p.server, httpapi.Options{Keys: []string{apiKey}, Logger: quiet})
	mux.Handle("/v1/", api)
	mux.Handle("/readyz", api)
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		p.t.Fatal(err)
	}
	p.http = &http.Server{Handler: mux, ErrorLog: slog.NewLogLogger(slog.DiscardHandler, slog.LevelError)}
	p.served = make(chan struct{})
	go func(hs *http.Server, served chan struct{}) {
		defer close(served)
		hs.Serve(l) //nolint:errcheck // it ends with Close
	}(p.http, p.served)
	return l.Addr().String()
}

// free sets the free space of the disk, in bytes.
func (p *inProcess) free(bytes uint64) {
	p.disk.TestingSetDiskUsage(vfs.DiskUsage{AvailBytes: bytes, TotalBytes: 1 << 31})
}

// kill cuts the power: unsynced data is lost, wholly or in part. Once the proxy is
// closed, clients do not see what the server still does.
func (p *inProcess) kill() {
	p.proxy.turn("")
	after := p.disk.CrashClone(vfs.CrashCloneCfg{
		UnsyncedDataPercent: p.random.IntN(101), RNG: rand.New(rand.NewPCG(p.random.Uint64(), 0)),
	})
	p.end(0)
	p.disk = after
	p.free(1 << 30)
}

func (p *inProcess) drain() { p.end(3 * time.Second) }

// end shuts the server down within a limit.
func (p *inProcess) end(limit time.Duration) {
	ctx, cancel := context.WithTimeout(context.Background(), limit)
	defer cancel()
	p.server.Shutdown(ctx) //nolint:errcheck // stalled clients do not respond
	p.http.Shutdown(ctx)   //nolint:errcheck // the same
	p.http.Close()
	<-p.served
	p.engine.Close() //nolint:errcheck // the disk may be broken
}

// TestDisk runs against a server whose disk and clock fail.
func TestDisk(t *testing.T) {
	torture(t, 2*time.Second, tortureDisk)
}

func tortureDisk(r *run, length time.Duration) *report {
	p := &inProcess{t: r.t, random: rand.New(rand.NewPCG(r.random.Uint64(), 0)), proxy: r.proxy}
	r.target = p
	r.t.Cleanup(func() { p.end(0) })
	counts := make(map[string]int)
	faults := []struct {
		name string
		do   func()
	}{
		{"power cut", func() { r.restart(true) }},
		{"power cut", func() { r.restart(true) }},
		{"drain", func() { r.restart(false) }},
		{"disk full", func() {
			p.free(1 << 20)
			r.progress()
			p.free(1 << 30)
		}},
		{"read-only", func() {
			// Writes in progress when the disk broke may or may not be stored; from
			// then on no push succeeds, until a restart.
			p.faults.readOnly.Store(true)
			r.progress()
			r.h.add(event{kind: crash})
			r.proxy.turn("")
			p.end(0)
			p.faults.readOnly.Store(false)
			r.h.add(event{kind: crash})
			r.proxy.turn(p.start())
		}},
		{"slow disk", func() {
			p.faults.latency.Store(int64(5 * time.Millisecond))
			r.progress()
			p.faults.latency.Store(0)
		}},
		{"clock forward", func() { p.clock.jump(time.Duration(r.random.Int64N(int64(3 * time.Hour)))) }},
		{"clock back", func() { p.clock.jump(-time.Duration(r.random.Int64N(int64(3 * time.Hour)))) }},
	}
	found := r.do(plan{
		length: length,
		fault: func(r *run) {
			f := faults[r.random.IntN(len(faults))]
			counts[f.name]++
			f.do()
		},
	})
	r.t.Log(counts)
	return found
}
