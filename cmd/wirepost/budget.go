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

// A memory plan divides the process's memory limit, --memory:
//
//	ceiling = program + live × 3/2
//	live    = the sum of all parts
//
// A part limits the live memory of one consumer. The additional half is room for the
// garbage collector, which would run continuously without it.
const (
	// programMemory is what the process takes besides the heap: the program, stacks
	// and the runtime's tables.
	programMemory = 30 << 20
	// outsideHeap is the share of it that Go's memory limit does not count: the
	// program's text and data.
	outsideHeap = 16 << 20

	mib = 1 << 20
)

// memoryPart is one consumer's share, between least and most.
type memoryPart struct {
	name        string
	least, most int64
	bytes       int64
}

// memoryPlan divides a server's memory among its parts. All numbers are bytes.
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

// idShare is the share of the cache that is for IDs, memtables is how many memtables fit in
// pebble.Options.MemTableBytes at most, and channelBytes the size of a channel of
// pebble.Options.Channels.
const (
	idShare      = 7
	memtables    = 3
	channelBytes = 96
)

// newParts returns the consumers of a configuration. Those that are set explicitly
// have a fixed size.
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
			memoryPart{name: cachePart, least: 6 * mib, most: 74 * mib},
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

// ceilingFor returns the memory limit that allows parts of that sum.
func ceilingFor(live int64) int64 { return programMemory + live + live/2 }

// newMemoryPlan divides the memory of a configuration. limit is the memory of the
// container or machine, 0 if unknown.
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

// divide gives every part its minimum and a proportional share of the rest.
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
		set = ", with the given --push-memory, --tail-memory and --max-message"
	}
	if c.Memory > 0 {
		return usagef("--memory %s is too low: this configuration needs at least %s%s", mebibytes(p.ceiling), mebibytes(needed), set)
	}
	return fmt.Errorf("--memory is %s, 3/4 of the %s of this machine or container, but this configuration needs at least %s%s",
		mebibytes(p.ceiling), mebibytes(limit), mebibytes(needed), set)
}

func mebibytes(n int64) string { return fmt.Sprintf("%dMiB", int64(math.Ceil(float64(n)/mib))) }

// of returns the size of a part, or 0 if the configuration does not have it.
func (p *memoryPlan) of(name string) int64 {
	for i := range p.parts {
		if p.parts[i].name == name {
			return p.parts[i].bytes
		}
	}
	return 0
}

// apply sets the library's parts.
func (p *memoryPlan) apply(o *wirepost.Options) {
	o.TailMemory = int(p.of(tailPart))
	o.PageMemory = int(p.of(pagePart))
	o.ChannelMemory = int(p.of(memoryOnlyPart))
}

// goLimit is the Go runtime's memory limit: GOMEMLIMIT if it is set.
func (p *memoryPlan) goLimit() int64 {
	if os.Getenv("GOMEMLIMIT") != "" {
		return debug.SetMemoryLimit(-1)
	}
	return p.ceiling - outsideHeap
}

// log logs the plan.
func (p *memoryPlan) log(log *slog.Logger) {
	attrs := []any{"ceiling", mebibytes(p.ceiling)}
	for i := range p.parts {
		attrs = append(attrs, p.parts[i].name, mebibytes(p.parts[i].bytes))
	}
	log.Info("memory", append(attrs, "go_limit", mebibytes(p.goLimit()))...)
}

// memoryLimit is the memory available to the process: the least of its control
// group, the machine and GOMEMLIMIT, or 0 if none is known.
func memoryLimit() int64 {
	limit := systemMemory(os.DirFS("/"))
	if os.Getenv("GOMEMLIMIT") != "" {
		limit = min(cmp.Or(limit, math.MaxInt64), debug.SetMemoryLimit(-1)/3*4)
	}
	return limit
}
