package pgtest

import (
	"fmt"
	"os"
	"sync"
	"testing"
)

// shared is the server of this test binary.
var shared struct {
	sync.Mutex
	server *Server
	err    error
}

// Shared returns the server of this test binary, which starts when it is first needed. Tests
// that need PostgreSQL are left out with -short.
func Shared(t testing.TB) *Server {
	t.Helper()
	Need(t)
	shared.Lock()
	defer shared.Unlock()
	if shared.server == nil && shared.err == nil {
		shared.server, shared.err = Start()
	}
	if shared.err != nil {
		t.Fatal(shared.err)
	}
	return shared.server
}

// Need leaves a test out with -short.
func Need(t testing.TB) {
	t.Helper()
	if testing.Short() {
		t.Skip("it needs PostgreSQL")
	}
}

// Run runs the tests of a binary and stops the server that they share. It is for TestMain.
func Run(m interface{ Run() int }) int {
	code := m.Run()
	if shared.server == nil {
		return code
	}
	if err := shared.server.Close(); err != nil {
		fmt.Fprintln(os.Stderr, err)
		return max(code, 1)
	}
	return code
}
