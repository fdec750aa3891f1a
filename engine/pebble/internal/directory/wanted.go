package directory

import (
	"fmt"
	"slices"
	"strings"

	"github.com/wirepost/wirepost/engine/pebble/internal/disk"
)

// IsStore reports whether any file of a directory belongs to a store.
func IsStore(names []string) bool {
	return slices.ContainsFunc(names, func(name string) bool {
		return name == MarkName || strings.HasPrefix(name, ManifestPrefix) || strings.HasPrefix(name, "ANCHOR-") || disk.IsTable(name)
	})
}

// Tables returns the tables to read: those in the manifest, or all if it cannot be read.
func (s *Survey) Tables() (numbers []uint64) {
	if s.manifest != nil {
		return sorted(s.manifest.Tables)
	}
	for _, name := range s.names {
		var number uint64
		if _, err := fmt.Sscanf(name, "%d.sst", &number); err == nil {
			numbers = append(numbers, number)
		}
	}
	return numbers
}

// WantedLogs returns the logs to read.
func (s *Survey) WantedLogs() (numbers []uint64) {
	if s.manifest != nil {
		return s.logs
	}
	for _, name := range s.names {
		if number, ok := LogNumber(name); ok {
			numbers = append(numbers, number)
		}
	}
	return numbers
}

// BrokenLog reports whether a log is damaged. An incomplete write at its end is not
// damage.
func (s *Survey) BrokenLog(number uint64) bool {
	return slices.ContainsFunc(s.Damage, func(d *Damage) bool { return d.File == logName(number) })
}
