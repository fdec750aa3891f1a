package user

import (
	"testing"
	"unsafe"
)

// A state is loaded and evicted often, so it must not share memory with long-lived
// objects: the allocator groups objects by size class, and 288 and 320 bytes are
// different classes.
func TestStateHasItsOwnSize(t *testing.T) {
	t.Parallel()
	if size := unsafe.Sizeof(state{}); size > 288 {
		t.Errorf("a state has %d bytes, the class of up to 288 is its own", size)
	}
}
