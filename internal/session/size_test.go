package session

import (
	"testing"
	"unsafe"
)

// A session must not be in the size class of the state of a user (288 bytes, see
// internal/user), which is allocated and freed often, because there may be a hundred
// thousand sessions.
func TestSize(t *testing.T) {
	t.Parallel()
	if size := unsafe.Sizeof(Session{}); size <= 288 || size > 352 {
		t.Errorf("a session has %d bytes", size)
	}
}
