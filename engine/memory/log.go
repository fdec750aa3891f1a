package memory

import (
	"slices"
	"sort"
	"unsafe"

	"github.com/wirepost/wirepost/engine"
)

// log is one channel. It remains after its records are removed, because sequences
// continue; it is then little more than its name. All fields are guarded by Engine.mu.
type log struct {
	name     string
	begin    uint64 // the engine's base when the log was made: nothing before it is known
	head     uint64
	lost     uint64 // the last sequence removed by retention
	time     int64  // of the last append
	live     int    // messages among the nodes
	nodes    []*node
	revoking []uint64         // sequences of the revocations among the nodes
	keys     map[string]*node // the live message of each key
	memos    map[string]*memo
	watchers []engine.Watcher // replaced, never modified: an append may be reading it
}

// node is a record with its links: in its log, in the order of all appends and in the
// heap of deadlines.
type node struct {
	*engine.Record
	log        *log
	prev, next *node
	deadline   int64 // when it expires, in ms since the Unix epoch; 0: never
	aged       bool  // the deadline is that of the maximum age: expiry counts as a loss
	heap       int   // index in deadlines
}

// memo is the remembered result of an idempotent append.
type memo struct {
	log    *log
	result engine.Result
}

const (
	nodeBytes = int64(unsafe.Sizeof(node{})+unsafe.Sizeof(engine.Record{})) + 16 // and its pointers
	memoBytes = int64(unsafe.Sizeof(memo{})) + 64                                // and its map entry
)

func (n *node) size() int64 {
	return nodeBytes + int64(len(n.ID)+len(n.Key)+len(n.ContentType)+len(n.From)+len(n.Trace)+len(n.Data))
}

func (m *memo) size() int64 { return memoBytes + int64(len(m.result.ID)) }

func (l *log) bounds() engine.Bounds {
	b := engine.Bounds{Head: l.head, Lost: l.lost, Base: l.begin}
	// Revocations at the start of the log are first in both lists.
	first := sort.Search(len(l.revoking), func(i int) bool { return l.nodes[i].Seq != l.revoking[i] })
	if first < len(l.nodes) {
		b.Oldest = l.nodes[first].Seq
	}
	return b
}

// from returns the index of the first node at or after a sequence.
func (l *log) from(seq uint64) int {
	return sort.Search(len(l.nodes), func(i int) bool { return l.nodes[i].Seq >= seq })
}

// after returns the index of the first node after a sequence.
func (l *log) after(seq uint64) int {
	return sort.Search(len(l.nodes), func(i int) bool { return l.nodes[i].Seq > seq })
}

// count returns the number of messages after a sequence.
func (l *log) count(seq uint64) int {
	return len(l.nodes) - l.after(seq) - (len(l.revoking) - l.revocationsUpTo(seq))
}

func (l *log) revocationsUpTo(seq uint64) int {
	return sort.Search(len(l.revoking), func(i int) bool { return l.revoking[i] > seq })
}

func (l *log) forgetRevocation(seq uint64) {
	if i := l.revocationsUpTo(seq) - 1; i == 0 {
		l.revoking = l.revoking[1:]
	} else {
		l.revoking = slices.Delete(l.revoking, i, i+1)
	}
	if len(l.revoking) == 0 {
		l.revoking = nil
	}
}

// message returns the live message with a sequence, or nil.
func (l *log) message(seq uint64) *node {
	i := l.from(seq)
	if i == len(l.nodes) || l.nodes[i].Seq != seq || l.nodes[i].Revokes != 0 {
		return nil
	}
	return l.nodes[i]
}

func (e *Engine) logLocked(name string) *log {
	l := e.mu.logs[name]
	if l == nil {
		l = &log{name: name, begin: e.mu.base, head: e.mu.base, lost: e.mu.base}
		e.mu.logs[name] = l
	}
	return l
}

func (e *Engine) addLocked(n *node) {
	l := n.log
	l.nodes = append(l.nodes, n)
	l.head, l.time = n.Seq, n.Time
	if n.Revokes == 0 {
		l.live++
	} else {
		l.revoking = append(l.revoking, n.Seq)
	}
	if n.Key != "" {
		if l.keys == nil {
			l.keys = make(map[string]*node)
		}
		l.keys[n.Key] = n
	}
	e.mu.bytes += n.size()
	e.mu.oldest.push(n)
	e.mu.due.add(n)
}

func (e *Engine) removeLocked(n *node) {
	l := n.log
	if i := l.after(n.Seq) - 1; i == 0 {
		l.nodes[0] = nil
		l.nodes = l.nodes[1:]
	} else {
		l.nodes = slices.Delete(l.nodes, i, i+1)
	}
	if len(l.nodes) == 0 {
		l.nodes = nil
	}
	if n.Revokes == 0 {
		l.live--
	} else {
		l.forgetRevocation(n.Seq)
	}
	if n.Key != "" && l.keys[n.Key] == n {
		delete(l.keys, n.Key)
		if len(l.keys) == 0 {
			l.keys = nil
		}
	}
	e.mu.bytes -= n.size()
	e.mu.oldest.remove(n)
	e.mu.due.remove(n)
}

// loseLocked removes a node and records it as lost to retention.
func (e *Engine) loseLocked(n *node) {
	n.log.lost = max(n.log.lost, n.Seq)
	e.removeLocked(n)
}

func (e *Engine) forgetOldestMemoLocked() {
	m := e.mu.memos[0]
	e.mu.memos[0] = nil
	e.mu.memos = e.mu.memos[1:]
	e.mu.bytes -= m.size()
	if m.log.memos[m.result.ID] == m {
		delete(m.log.memos, m.result.ID)
	}
	if len(m.log.memos) == 0 {
		m.log.memos = nil
	}
}
