package main

import (
	"strings"
	"testing"
	"testing/fstest"

	"github.com/wirepost/wirepost"
)

func configured(change func(*Config)) *Config {
	c := &Config{common: common{Engine: enginePebble, MaxMessage: 64 << 10}}
	if change != nil {
		change(c)
	}
	return c
}

// For any configuration, all parts and the collector's room fit in the limit, and
// every part has its minimum.
func TestMemoryPlan(t *testing.T) {
	t.Parallel()
	const gib = 1 << 30
	for name, tt := range map[string]struct {
		change  func(*Config)
		limit   int64
		ceiling int64 // 0: what all parts can use
	}{
		"no limit known":      {},
		"a large machine":     {limit: 64 * gib},
		"a small container":   {limit: 512 * mib, ceiling: 384 * mib},
		"128 MiB":             {limit: 64 * gib, ceiling: 128 * mib, change: func(c *Config) { c.Memory = 128 * mib }},
		"more than is there":  {limit: gib, ceiling: 2 * gib, change: func(c *Config) { c.Memory = 2 * gib }},
		"more than is usable": {ceiling: 64 * gib, change: func(c *Config) { c.Memory = 64 * gib }},
		"a part is set": {ceiling: 256 * mib, change: func(c *Config) {
			c.Memory, c.PushMemory, c.TailMemory = 256*mib, 64*mib, mib
		}},
		"large messages": {ceiling: 512 * mib, change: func(c *Config) { c.Memory, c.MaxMessage = 512*mib, 8*mib }},
		"in memory":      {ceiling: 128 * mib, change: func(c *Config) { c.Memory, c.Engine = 128*mib, engineMemory }},
		"memory-only channels": {ceiling: 128 * mib, change: func(c *Config) {
			c.Memory, c.Channels = 128*mib, []wirepost.Policy{{Pattern: "a"}, {Pattern: "b", NonDurable: true}}
		}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			c := configured(tt.change)
			p, err := newMemoryPlan(c, tt.limit)
			if err != nil {
				t.Fatal(err)
			}
			if tt.ceiling != 0 && p.ceiling != tt.ceiling {
				t.Errorf("the ceiling is %d, not %d", p.ceiling, tt.ceiling)
			}
			live := int64(0)
			for _, part := range p.parts {
				live += part.bytes
				if part.bytes < part.least || part.bytes > part.most {
					t.Errorf("%s has %d, between %d and %d were to be had", part.name, part.bytes, part.least, part.most)
				}
				if tt.ceiling == 0 && part.bytes != part.most {
					t.Errorf("%s has %d of %d although nothing is short", part.name, part.bytes, part.most)
				}
			}
			if ceilingFor(live) > p.ceiling {
				t.Errorf("the parts come to %d, with the collector's room that is over %d", live, p.ceiling)
			}
			for set, got := range map[string]int64{pushPart: int64(c.PushMemory), tailPart: int64(c.TailMemory)} {
				if got > 0 && p.of(set) != got {
					t.Errorf("%s is set to %d and has %d", set, got, p.of(set))
				}
			}
			if (p.of(memoryOnlyPart) > 0) != (len(c.Channels) > 0) || (p.of(recordPart) > 0) != (c.Engine == engineMemory) {
				t.Errorf("parts for what is not configured: %+v", p.parts)
			}
		})
	}
}

// A limit that is too low is rejected with the minimum, and the minimum works.
func TestTooLittleMemory(t *testing.T) {
	t.Parallel()
	for name, tt := range map[string]struct {
		change func(*Config)
		limit  int64
		say    string
	}{
		"set":         {func(c *Config) { c.Memory = 32 * mib }, 0, "--memory 32MiB is too low: this configuration needs at least "},
		"a container": {nil, 64 * mib, "--memory is 48MiB, 3/4 of the 64MiB of this machine or container, but this configuration needs at least "},
		"by a part": {
			func(c *Config) { c.Memory, c.PushMemory = 128*mib, 100*mib }, 0,
			"--memory 128MiB is too low: this configuration needs at least ",
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			c := configured(tt.change)
			_, err := newMemoryPlan(c, tt.limit)
			if err == nil || !strings.HasPrefix(err.Error(), tt.say) {
				t.Fatalf("%v", err)
			}
			number, _, _ := strings.Cut(strings.TrimPrefix(err.Error(), tt.say), ",")
			if err := c.Memory.UnmarshalText([]byte(number)); err != nil {
				t.Fatal(err)
			}
			if _, err := newMemoryPlan(c, tt.limit); err != nil {
				t.Error(err)
			}
		})
	}
}

func TestSystemMemory(t *testing.T) {
	t.Parallel()
	file := func(text string) *fstest.MapFile { return &fstest.MapFile{Data: []byte(text)} }
	const meminfo = "MemTotal:        2097152 kB\nMemFree: 1 kB\n"
	for name, tt := range map[string]struct {
		files fstest.MapFS
		want  int64
	}{
		"not Linux":  {fstest.MapFS{}, 0},
		"no groups":  {fstest.MapFS{"proc/meminfo": file(meminfo)}, 2 << 30},
		"odd":        {fstest.MapFS{"proc/meminfo": file("MemTotal: x kB\n"), "proc/self/cgroup": file("x\n0::/\n")}, 0},
		"v2":         {fstest.MapFS{"proc/meminfo": file(meminfo), "proc/self/cgroup": file("0::/a/b\n"), "sys/fs/cgroup/a/b/memory.max": file("max\n"), "sys/fs/cgroup/a/memory.max": file("134217728\n")}, 128 << 20},
		"v2 inside":  {fstest.MapFS{"proc/meminfo": file(meminfo), "proc/self/cgroup": file("0::/../b\n"), "sys/fs/cgroup/memory.max": file("134217728\n")}, 128 << 20},
		"v1":         {fstest.MapFS{"proc/meminfo": file(meminfo), "proc/self/cgroup": file("9:cpu,memory:/a\n1:cpuset:/\n"), "sys/fs/cgroup/memory/a/memory.limit_in_bytes": file("134217728\n"), "sys/fs/cgroup/memory/memory.limit_in_bytes": file("9223372036854771712\n")}, 128 << 20},
		"v1 outside": {fstest.MapFS{"proc/meminfo": file(meminfo), "proc/self/cgroup": file("9:memory:/docker/x\n"), "sys/fs/cgroup/memory/memory.limit_in_bytes": file("134217728\n")}, 128 << 20},
		"above":      {fstest.MapFS{"proc/meminfo": file(meminfo), "proc/self/cgroup": file("0::/\n"), "sys/fs/cgroup/memory.max": file("8589934592\n")}, 2 << 30},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			if got := systemMemory(tt.files); got != tt.want {
				t.Errorf("%d, not %d", got, tt.want)
			}
		})
	}
}
