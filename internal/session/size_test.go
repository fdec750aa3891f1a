package session

import (
	"testing"
	"unsafe"
)

// A session is not in the allocator's size class of the state of a user, which comes
// and goes (288 bytes, see internal/user), and there may be a hundred thousand of it.
func TestSize(t *testing.T) {
	t.Parallel()
	if size := unsafe.Sizeof(Session{}); size <= 288 || size > 352 {
		t.Errorf("a session has %d bytes", size)
	}
}
