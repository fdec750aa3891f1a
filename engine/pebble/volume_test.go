package pebble_test

import (
	"errors"
	"fmt"
	"strings"
	"syscall"
	"testing"

	"github.com/cockroachdb/pebble/v2/vfs"
	"github.com/cockroachdb/pebble/v2/vfs/errorfs"

	"github.com/wirepost/wirepost/engine/pebble"
)

// A volume on which no write could ever be taken is refused at the start, with the
// size that it needs; the default reserve fits any other one.
func TestVolumes(t *testing.T) {
	t.Parallel()
	for _, test := range []struct {
		total, minFree uint64 // MiB
		refused        string
	}{
		{8, 0, "has 8 MiB in all: at least 16 MiB are needed"},
		{16, 0, ""},
		{100, 0, ""},
		{100, 80, ""},
		{100, 99, "has 100 MiB in all: at least 112 MiB are needed, of which 99 MiB stay free"},
		{365, 0, ""},
		{1 << 20, 0, ""},
		{1 << 20, 1024, ""},
	} {
		t.Run(fmt.Sprintf("%d-%d", test.total, test.minFree), func(t *testing.T) {
			t.Parallel()
			fs := vfs.NewMem()
			fs.TestingSetDiskUsage(vfs.DiskUsage{TotalBytes: test.total << 20, AvailBytes: test.total << 20})
			e, err := pebble.Open("store", pebble.Options{FS: fs, Logger: quiet, MinFree: test.minFree << 20})
			if test.refused != "" {
				if err == nil || !strings.Contains(err.Error(), test.refused) {
					t.Errorf("open: %v, want %q", err, test.refused)
				}
				return
			}
			if err != nil {
				t.Fatal(err)
			}
			defer e.Close()
			if err := push(e, "a", "x"); err != nil {
				t.Error(err)
			}
		})
	}
}

// Whatever fails at open, the error says what it was.
func TestOpenSaysWhatFailed(t *testing.T) {
	t.Parallel()
	kinds := map[string]func(errorfs.Op) bool{
		"lock":      func(op errorfs.Op) bool { return op.Kind == errorfs.OpLock },
		"directory": func(op errorfs.Op) bool { return op.Kind == errorfs.OpMkdirAll },
		"list":      func(op errorfs.Op) bool { return op.Kind == errorfs.OpList },
		"open":      func(op errorfs.Op) bool { return op.Kind == errorfs.OpOpen || op.Kind == errorfs.OpOpenDir },
		"create": func(op errorfs.Op) bool {
			return op.Kind == errorfs.OpCreate || op.Kind == errorfs.OpReuseForWrite
		},
		"write": func(op errorfs.Op) bool { return op.Kind == errorfs.OpFileWrite },
		"sync": func(op errorfs.Op) bool {
			return op.Kind == errorfs.OpFileSync || op.Kind == errorfs.OpFileSyncData || op.Kind == errorfs.OpFileSyncTo
		},
		"rename": func(op errorfs.Op) bool { return op.Kind == errorfs.OpRename },
	}
	for kind, hit := range kinds {
		for _, errno := range []syscall.Errno{
			syscall.EROFS, syscall.EACCES, syscall.ENOSPC, syscall.EMFILE, syscall.ENFILE, syscall.EIO,
		} {
			for _, there := range []bool{false, true} {
				t.Run(fmt.Sprint(kind, "/", errno, "/", there), func(t *testing.T) {
					t.Parallel()
					fs := vfs.NewMem()
					if there {
						makeStore(t, fs)
					}
					met := false
					e, err := pebble.Open("store", pebble.Options{
						FS: errorfs.Wrap(fs, errorfs.InjectorFunc(func(op errorfs.Op) error {
							if hit(op) {
								met = true
								return errno
							}
							return nil
						})), Logger: quiet,
					})
					if err == nil {
						e.Close()
						if met {
							t.Fatal("the store is open")
						}
						t.Skip("a store that is there already needs nothing of this")
					}
					text := err.Error()
					if !errors.Is(err, errno) || !strings.Contains(text, errno.Error()) ||
						strings.Contains(text, "in use") || strings.Contains(text, "damaged") {
						t.Errorf("open: %s", text)
					}
				})
			}
		}
	}
}
