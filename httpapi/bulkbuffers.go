package httpapi

import "sync"

// bulkBuffers are the buffers of a bulk push, which later ones use again. A client that shares
// requests between pushes makes many short ones.
type bulkBuffers struct {
	line, out []byte
	batches   [2]batch
}

var bulkPool = sync.Pool{New: func() any { return &bulkBuffers{line: make([]byte, lineBuffer)} }}

// free gives the buffers back, with those that the push has replaced. What has grown unusually
// large is left to the garbage collector.
func (m *bulkBuffers) free(line, out []byte) {
	if len(line) != lineBuffer || cap(out) > maxPooled {
		return
	}
	m.line, m.out = line, out[:0]
	for i := range m.batches {
		if m.batches[i].reset(); cap(m.batches[i].pushes) > 2*batchPushes {
			return
		}
	}
	bulkPool.Put(m)
}
