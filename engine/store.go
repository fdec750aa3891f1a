package engine

import "time"

// Measured is an optional interface of an Engine that keeps its data in files.
type Measured interface {
	// StoreStats measures the store and its volume. It returns false if there is nothing to
	// measure: the engine is closed, or keeps everything in memory. It is safe for concurrent
	// use, and neither reads tables nor waits for writes.
	StoreStats() (StoreStats, bool)
}

// StoreStats are measurements of a store, for metrics.
type StoreStats struct {
	Bytes    uint64 // all files of the store, without snapshots
	LogBytes uint64 // of these, the log of writes, also what is kept to be reused
	Tables   uint64
	// ReadLevels is how many tables a read may have to look into.
	ReadLevels int
	// CompactionDebt is how many bytes there are to merge, as an estimate. If it grows without
	// end, the disk or the processor is slower than the writes.
	CompactionDebt uint64
	Syncs          Histogram     // time of the syncs of the log, since the start
	LastSync       time.Duration // of the newest one

	// DiskFree and DiskSize are the bytes of the volume that the store may still use, and of the
	// whole volume. Both are 0 if the system does not say.
	DiskFree, DiskSize uint64
}
