package conn

import (
	"os"
	"regexp"
	"strconv"
	"testing"
)

// The table of descriptors has room before the first connection, and grows when its second
// half is used.
func TestRoomForDescriptors(t *testing.T) {
	t.Parallel()
	p, err := newEpoll(func() bool { return false })
	if err != nil {
		t.Fatal(err)
	}
	defer p.file.Close()
	if n := tableSize(t); n < firstSize {
		t.Fatalf("the table has room for %d descriptors", n)
	}
	var own table
	if size, due := own.growth(p.fd); !due || size != firstSize {
		t.Fatalf("it is to grow to %d at first (%v)", size, due)
	}
	if size, due := own.growth(firstSize/2 - 1); due {
		t.Errorf("it is to grow to %d although less than half is used", size)
	}
	size, due := own.growth(firstSize / 2)
	if !due || size != 2*firstSize {
		t.Fatalf("with a descriptor in the second half it is to grow to %d (%v)", size, due)
	}
	grow(size)
	if n := tableSize(t); n < size {
		t.Errorf("it has room for %d descriptors after it has grown to %d", n, size)
	}
}

// tableSize returns FDSize of proc_pid_status(5).
func tableSize(t *testing.T) int {
	status, err := os.ReadFile("/proc/self/status")
	if err != nil {
		t.Skip(err)
	}
	m := regexp.MustCompile(`(?m)^FDSize:\s*(\d+)$`).FindSubmatch(status)
	if m == nil {
		t.Skip("the system does not say how large the table is")
	}
	n, err := strconv.Atoi(string(m[1]))
	if err != nil {
		t.Fatal(err)
	}
	return n
}
