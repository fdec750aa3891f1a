package user

import (
	"testing"
	"unsafe"
)

// A state that comes and goes must not lie among what stays: the allocator puts
// objects of one size class together, and 288 and 320 bytes are two of them.
func TestStateHasItsOwnSize(t *testing.T) {
	t.Parallel()
	if size := unsafe.Sizeof(state{}); size > 288 {
		t.Errorf("a state has %d bytes, the class of up to 288 is its own", size)
	}
}
