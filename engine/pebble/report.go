package pebble

import (
	"bytes"
	"cmp"
	"fmt"
	"slices"
	"strings"

	"github.com/wirepost/wirepost/engine/pebble/internal/directory"
	"github.com/wirepost/wirepost/engine/pebble/internal/files"
	"github.com/wirepost/wirepost/engine/pebble/internal/format"
)

// Damage is one fault of a store. It is an error that wraps ErrDamaged.
type Damage = directory.Damage

// Report is the result of Check or Salvage.
type Report struct {
	Epoch    string `json:"epoch"` // of the store that was read; "": it cannot be read
	Channels int    `json:"channels"`
	Records  int    `json:"records"` // messages and revocations that can be read
	Users    int    `json:"users"`
	// Damage lists the faults of files and of their content.
	Damage []*Damage `json:"damage"`
	// Lost lists missing messages by channel. Messages that were lost together with the
	// head of their channel, or in a log, are only in Damage.
	Lost []Loss `json:"lost"`
}

// Loss describes the missing messages of a channel.
type Loss struct {
	Channel  string `json:"channel"`
	Messages uint64 `json:"messages"` // how many
	// They are between From and To inclusive, where other sequences may be missing for
	// other reasons.
	From uint64 `json:"from"`
	To   uint64 `json:"to"`
}

// OK reports whether there is no damage.
func (r *Report) OK() bool { return len(r.Damage) == 0 && len(r.Lost) == 0 }

// maxDamage bounds the number of reported faults.
const maxDamage = 1000

func (r *Report) add(file, problem string, args ...any) {
	if len(r.Damage) < maxDamage {
		r.Damage = append(r.Damage, &Damage{File: file, Problem: fmt.Sprintf(problem, args...)})
	}
}

// gap reports a part of a file that could not be read.
func (r *Report) gap(g files.Gap) {
	problem := strings.TrimPrefix(strings.TrimPrefix(g.Problem, g.File+": "), "pebble: file 000000: ")
	if slices.ContainsFunc(r.Damage, func(d *Damage) bool { return d.File == g.File && d.Problem == problem }) {
		return
	}
	if g.First == nil && g.Last == nil {
		r.add(g.File, "%s", problem)
		return
	}
	r.add(g.File, "nothing can be read after %s up to %s: %s", describeKey(g.First), describeKey(g.Last), problem)
}

// describeKey returns a readable name of a key.
func describeKey(key []byte) string {
	if len(key) == 0 {
		return "the end of the file"
	}
	// After damage, the search uses a record's key followed by zeros.
	if end := bytes.IndexByte(key, 0) + 9; end > 9 && len(key) >= end {
		if name, seq, ok := format.CutRecordKey(key[:end]); ok {
			return fmt.Sprintf("record %d of %q", seq, name)
		}
	}
	return fmt.Sprintf("the key %q", bytes.TrimRight(key, "\x00"))
}

func (r *Report) sort() {
	slices.SortStableFunc(r.Lost, func(a, b Loss) int { return cmp.Compare(a.Channel, b.Channel) })
}
