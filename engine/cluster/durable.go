package cluster

import (
	"sync"
	"time"

	"github.com/wirepost/wirepost/engine/cluster/internal/apply"
	"github.com/wirepost/wirepost/engine/cluster/internal/batch"
)

// durable is what this node has of a shard on its disk, which it reports to the log from
// time to time.
type durable struct {
	// Static.
	node  string
	level int
	every time.Duration // between two flushes
	poke  func()        // has the proposer propose a report

	mu         sync.Mutex
	on         extent  // the disk
	held       *extent // from which the log is kept, see hold; nil: it is not
	reported   extent
	reportedAt time.Time
	wanted     bool // the next batch has to report
}

// extent is a position, and the bytes of all entries up to there.
type extent struct{ position, size uint64 }

func extentOf(a apply.Applied) extent { return extent{a.Position, a.Size} }

// reportEvery is the number of flushes after which a node reports what it has on disk.
const reportEvery = 5

// want has the next batch report.
func (d *durable) want() {
	d.mu.Lock()
	d.wanted = true
	d.mu.Unlock()
	d.poke()
}

// report returns what is to be reported with the next batch, or nil.
func (d *durable) report() *batch.Report {
	d.mu.Lock()
	defer d.mu.Unlock()
	if !d.wanted {
		return nil
	}
	d.wanted = false
	d.reported, d.reportedAt = d.on, time.Now()
	return &batch.Report{Node: d.node, Level: d.level, Durable: d.on.position, Size: d.on.size}
}

// flushed records what is durable, and has it reported if it is time.
func (d *durable) flushed(to extent) {
	d.mu.Lock()
	if d.held != nil && to.position > d.held.position {
		to = *d.held
	}
	d.on = to
	due := time.Since(d.reportedAt) >= reportEvery*d.every || to.size-d.reported.size >= flushBytes
	due = due && to.position > d.reported.position
	d.mu.Unlock()
	if due {
		d.want()
	}
}

// position returns the position up to which the shard is on the disk.
func (d *durable) position() uint64 {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.on.position
}

// hold keeps the log from a position on: until release the node does not report that it has
// more on its disk.
func (d *durable) hold(from extent) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.held == nil {
		d.held = &from
	}
}

func (d *durable) release() {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.held = nil
}
