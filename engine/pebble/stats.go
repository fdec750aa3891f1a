package pebble

import (
	"context"

	"github.com/wirepost/wirepost/engine"
)

var _ engine.Measured = (*Engine)(nil)

// StoreStats implements engine.Measured.
func (e *Engine) StoreStats() (engine.StoreStats, bool) {
	if e.enter(context.Background()) != nil {
		return engine.StoreStats{}, false
	}
	defer e.leave()
	m := e.db.Metrics()
	// Pebble measures a log when it opens it, and not while it grows.
	logs := max(m.WAL.PhysicalSize, m.WAL.Size)
	stats := engine.StoreStats{
		Bytes:      m.DiskSpaceUsage() - m.WAL.PhysicalSize + logs,
		LogBytes:   logs + m.WAL.ObsoletePhysicalSize,
		Tables:     m.Table.Local.LiveCount,
		ReadLevels: m.ReadAmp(), CompactionDebt: m.Compact.EstimatedDebt,
		Syncs: engine.Histogram(e.syncs.Snapshot()), LastSync: e.syncs.Last(),
	}
	if usage, err := e.fs.GetDiskUsage(e.dir); err == nil {
		stats.DiskFree, stats.DiskSize = usage.AvailBytes, usage.TotalBytes
	}
	return stats, true
}
