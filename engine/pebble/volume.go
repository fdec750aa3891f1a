package pebble

import (
	"fmt"

	"github.com/wirepost/wirepost/engine/pebble/internal/disk"
)

const (
	smallVolume = 1 << 30  // a smaller one gets smaller memtables and a smaller reserve
	leastVolume = 16 << 20 // a smaller one is refused
)

// fit adapts memtables and reserve to the volume, and refuses one on which no write
// could ever be taken.
func (o *Options) fit(dir string) error {
	total := uint64(smallVolume)
	usage, err := o.FS.GetDiskUsage(dir)
	if err == nil {
		total = min(total, usage.TotalBytes)
	}
	o.MemTableBytes = min(o.MemTableBytes, int(total/32))
	if o.MinFree == 0 {
		o.MinFree = total/16 + 4*uint64(o.MemTableBytes)
	}
	least := max(leastVolume, o.MinFree+4*uint64(o.MemTableBytes))
	if err == nil && usage.TotalBytes < least {
		return fmt.Errorf("the volume has %s in all: at least %s are needed, of which %s stay free",
			disk.Mebibytes(usage.TotalBytes), disk.Mebibytes(least), disk.Mebibytes(o.MinFree))
	}
	return nil
}
