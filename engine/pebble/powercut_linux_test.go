package pebble_test

import (
	"os"
	"os/exec"
	"path/filepath"
	"testing"
	"unsafe"

	"golang.org/x/sys/unix"

	"github.com/wirepost/wirepost/engine/pebble"
)

// EXT4_IOC_SHUTDOWN and its flag for a file system that stops at once, with
// nothing of its journal written out (linux/ext4.h).
const (
	ext4Shutdown   = 0x8004587d
	noLogFlush     = 2
	powerCutRounds = 2
)

// The file system under the store stops as in a power cut: data that was not synced is
// lost. The kernel may still report success for a sync in progress at that moment, so only
// earlier acknowledgements count.
func TestPowerCut(t *testing.T) {
	t.Parallel()
	image, mount := filepath.Join(t.TempDir(), "image"), t.TempDir()
	if os.Geteuid() != 0 {
		t.Skip("mounting a file system needs root")
	}
	for _, args := range [][]string{
		{"truncate", "-s", "1G", image},
		{"mkfs.ext4", "-q", "-F", "-E", "lazy_itable_init=1,lazy_journal_init=1", image},
		{"mount", "-o", "loop", image, mount},
	} {
		if out, err := exec.Command(args[0], args[1:]...).CombinedOutput(); err != nil {
			t.Skipf("no loop device here: %v: %s", args, out)
		}
	}
	t.Cleanup(func() { _ = exec.Command("umount", mount).Run() })
	dir := filepath.Join(mount, "store")
	var acks []ack
	for round := range powerCutRounds {
		acks = append(acks, runChild(t, dir, round*childPublishers, (2000+3000*round)/min(pebble.Stride, 10), func() { cutPower(t, mount) })...)
		run(t, "umount", mount)
		run(t, "mount", "-o", "loop", image, mount)
		verifyDir(t, dir, acks)
	}
}

func cutPower(t *testing.T, mount string) {
	t.Helper()
	d, err := os.Open(mount)
	if err != nil {
		t.Fatal(err)
	}
	defer d.Close()
	flag := uint32(noLogFlush)
	if _, _, errno := unix.Syscall(unix.SYS_IOCTL, d.Fd(), ext4Shutdown, uintptr(unsafe.Pointer(&flag))); errno != 0 {
		t.Skipf("the file system cannot be shut down: %v", errno)
	}
}

func run(t *testing.T, args ...string) {
	t.Helper()
	if out, err := exec.Command(args[0], args[1:]...).CombinedOutput(); err != nil {
		t.Fatalf("%v: %v: %s", args, err, out)
	}
}
