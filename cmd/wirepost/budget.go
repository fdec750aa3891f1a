package main

import (
	"cmp"
	"fmt"
	"log/slog"
	"math"
	"os"
	"runtime/debug"

	"github.com/wirepost/wirepost"
)

// A memory plan divides one ceiling for the process, --memory:
//
//	ceiling = program + live × 3/2
//	live    = the sum of all parts
//
// A part is what one consumer may keep alive. The half on top of them is room for
// the garbage collector, which otherwise would run all the time.
const (
	// programMemory is what the process takes besides the heap: the program itself,
	// stacks, the runtime's own tables.
	programMemory = 30 << 20
	// outsideHeap is the share of it that Go's limit does not count: the program's
	// text and data.
	outsideHeap = 16 << 20

	mib = 1 << 20
)

// memoryPart is one consumer's share: at least least, and no more than most of what
// is left.
type memoryPart struct {
	name        string
	least, most int64
	bytes       int64
}

// memoryPlan says what the parts of a server may take. The numbers are bytes.
type memoryPlan struct {
	ceiling int64
	parts   []memoryPart
}

// The names of the parts, as they are logged at start.
const (
	pushPart       = "pushes"
	tailPart       = "tails"
	cachePart      = "cache"
	memtablePart   = "memtables"
	channelPart    = "channels"
	recordPart     = "records"
	memoryOnlyPart = "memory-only"
	pagePart       = "pages"
	connectionPart = "connections"
)

// memtables is how many memtables pebble.Options.MemTableBytes means at most, and
// channelBytes what a channel of pebble.Options.Channels takes.
const (
	memtables    = 3
	channelBytes = 256
)

// newParts lists the consumers of a configuration. Those that are set explicitly
// take exactly that.
func (c *Config) newParts() []memoryPart {
	message := int64(c.MaxMessage)
	set := func(name string, value size, least, most int64) memoryPart {
		if value > 0 {
			return memoryPart{name: name, least: int64(value), most: int64(value)}
		}
		return memoryPart{name: name, least: least, most: max(least, most)}
	}
	parts := []memoryPart{
		set(pushPart, c.PushMemory, max(8*mib, 4*message), 256*mib),
		set(tailPart, c.TailMemory, max(4*mib, 4*message), 256*mib),
		{name: pagePart, least: max(4*mib, 4*message), most: max(64*mib, 4*message)},
		{name: connectionPart, least: 6 * mib, most: 512 * mib},
	}
	if c.Engine == engineMemory {
		parts = append(parts, memoryPart{name: recordPart, least: 16 * mib, most: 256 * mib})
	} else {
		parts = append(parts,
			memoryPart{name: cachePart, least: 6 * mib, most: 64 * mib},
			memoryPart{name: memtablePart, least: 12 * mib, most: memtables * 32 * mib},
			memoryPart{name: channelPart, least: 4 * mib, most: 1_000_000 * channelBytes},
		)
	}
	for _, p := range c.Channels {
		if p.NonDurable {
			return append(parts, memoryPart{name: memoryOnlyPart, least: 8 * mib, most: 256 * mib})
		}
	}
	return parts
}

// ceilingFor is the ceiling under which parts of that sum can be alive.
func ceilingFor(live int64) int64 { return programMemory + live + live/2 }

// newMemoryPlan divides what a configuration allows. Limit is the memory of the
// container or machine, 0 when that is not known.
func newMemoryPlan(c *Config, limit int64) (*memoryPlan, error) {
	p := &memoryPlan{parts: c.newParts()}
	var least, most int64
	for i := range p.parts {
		least += p.parts[i].least
		most += p.parts[i].most
	}
	p.ceiling = ceilingFor(most)
	if limit > 0 {
		p.ceiling = min(p.ceiling, limit/4*3)
	}
	if c.Memory > 0 {
		p.ceiling = int64(c.Memory)
	}
	if needed := ceilingFor(least); p.ceiling < needed {
		return nil, p.tooLittle(c, limit, needed)
	}
	live := (p.ceiling - programMemory) / 3 * 2
	p.divide(live-least, most-least)
	return p, nil
}

// divide gives every part its least, and of the rest what it can use of it.
func (p *memoryPlan) divide(rest, usable int64) {
	share := 0.0
	if usable > 0 {
		share = min(1, float64(rest)/float64(usable))
	}
	for i := range p.parts {
		part := &p.parts[i]
		part.bytes = part.least + int64(share*float64(part.most-part.least))
	}
}

func (p *memoryPlan) tooLittle(c *Config, limit, needed int64) error {
	set := ""
	if c.PushMemory > 0 || c.TailMemory > 0 {
		set = ", with what --push-memory, --tail-memory and --max-message are set to"
	}
	if c.Memory > 0 {
		return usagef("--memory %s is too little: this configuration needs at least %s%s", mebibytes(p.ceiling), mebibytes(needed), set)
	}
	return fmt.Errorf("--memory is %s, 3/4 of the %s that this machine or container has, and this configuration needs at least %s%s",
		mebibytes(p.ceiling), mebibytes(limit), mebibytes(needed), set)
}

func mebibytes(n int64) string { return fmt.Sprintf("%dMiB", int64(math.Ceil(float64(n)/mib))) }

// of is what a part may take; 0 when the configuration has no such part.
func (p *memoryPlan) of(name string) int64 {
	for i := range p.parts {
		if p.parts[i].name == name {
			return p.parts[i].bytes
		}
	}
	return 0
}

// apply gives the library its parts.
func (p *memoryPlan) apply(o *wirepost.Options) {
	o.TailMemory = int(p.of(tailPart))
	o.PageMemory = int(p.of(pagePart))
	o.ChannelMemory = int(p.of(memoryOnlyPart))
}

// goLimit is the limit for Go's collector: GOMEMLIMIT, if the environment has it.
func (p *memoryPlan) goLimit() int64 {
	if os.Getenv("GOMEMLIMIT") != "" {
		return debug.SetMemoryLimit(-1)
	}
	return p.ceiling - outsideHeap
}

// log tells the plan.
func (p *memoryPlan) log(log *slog.Logger) {
	attrs := []any{"ceiling", mebibytes(p.ceiling)}
	for i := range p.parts {
		attrs = append(attrs, p.parts[i].name, mebibytes(p.parts[i].bytes))
	}
	log.Info("memory", append(attrs, "go_limit", mebibytes(p.goLimit()))...)
}

// memoryLimit is the memory that the process can have: that of its control group,
// of the machine, and GOMEMLIMIT. 0 means that none is known.
func memoryLimit() int64 {
	limit := systemMemory(os.DirFS("/"))
	if os.Getenv("GOMEMLIMIT") != "" {
		limit = min(cmp.Or(limit, math.MaxInt64), debug.SetMemoryLimit(-1)/3*4)
	}
	return limit
}
