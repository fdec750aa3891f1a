package crowd

import (
	"bytes"
	"testing"
	"time"

	"github.com/wirepost/wirepost/internal/ws"
)

// counter is a Client that only counts messages.
type counter struct{ messages int }

func (*counter) Request() ([]byte, error) { return nil, nil }
func (*counter) Upgraded(_, _ []byte, _ time.Time, out []byte) ([]byte, error) {
	return out, nil
}

func (c *counter) Message(_ []byte, _ time.Time, out []byte) []byte {
	c.messages++
	return out
}
func (*counter) Ready() bool           { return true }
func (*counter) Due(out []byte) []byte { return out }

// BenchmarkTake measures a read of 8 messages of 128 bytes without the system call.
func BenchmarkTake(b *testing.B) {
	const messages = 8
	in := bytes.Repeat(ws.AppendFrame(nil, ws.OpText, bytes.Repeat([]byte("x"), 128)), messages)
	c := &counter{}
	s := session{client: c, upgraded: true, ready: true}
	b.ReportAllocs()
	for b.Loop() {
		if _, err := s.take(in, time.Time{}, nil); err != nil {
			b.Fatal(err)
		}
	}
	b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N*messages), "ns/message")
}
