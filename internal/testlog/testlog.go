// Package testlog collects in tests what is logged.
package testlog

import (
	"bytes"
	"log/slog"
	"strings"
	"sync"
	"testing"
	"time"
)

// Buffer is a bytes.Buffer for several goroutines. Its zero value is empty.
type Buffer struct {
	mu   sync.Mutex
	text bytes.Buffer
}

// Write implements io.Writer.
func (b *Buffer) Write(p []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.text.Write(p)
}

// String returns what was written.
func (b *Buffer) String() string {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.text.String()
}

// Lines waits for texts in what is logged.
type Lines struct {
	Found chan struct{} // closed when all texts were logged, in their order

	mu    sync.Mutex
	text  strings.Builder
	wants []string
}

// NewLines returns Lines that wait for these texts.
func NewLines(wants ...string) *Lines { return &Lines{wants: wants, Found: make(chan struct{})} }

// Await waits for the texts.
func (l *Lines) Await(t testing.TB) {
	t.Helper()
	select {
	case <-l.Found:
	case <-time.After(patience):
		l.mu.Lock()
		defer l.mu.Unlock()
		t.Fatalf("%q was not logged:\n%s", l.wants, l.text.String())
	}
}

// patience limits what only takes long if it fails.
const patience = 3 * time.Minute

// Logger returns a logger that writes lines of at least a level.
func (l *Lines) Logger(level slog.Level) *slog.Logger {
	return slog.New(slog.NewTextHandler(l, &slog.HandlerOptions{Level: level}))
}

// Write implements io.Writer.
func (l *Lines) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.text.Write(p)
	for len(l.wants) > 0 && strings.Contains(l.text.String(), l.wants[0]) {
		if l.wants = l.wants[1:]; len(l.wants) == 0 {
			close(l.Found)
		}
	}
	return len(p), nil
}
