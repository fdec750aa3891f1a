package client

import (
	"testing"

	"github.com/wirepost/wirepost/internal/wire"
)

// BenchmarkMessage measures the cost of a message from the socket to the loop.
func BenchmarkMessage(b *testing.B) {
	text := wire.AppendMessage(nil, &wire.Message{
		Channel: "user:42", Seq: 1042, Prev: 1041, ID: "annx9se1hdctj24m", Time: 1795176687454,
		Data: []byte(`{"order":7,"state":"shipped","items":[1,2,3]}`),
	})
	b.ReportAllocs()
	for b.Loop() {
		f, err := wire.ParseFrame(text)
		if err != nil {
			b.Fatal(err)
		}
		if _, err := newMessage(f); err != nil {
			b.Fatal(err)
		}
	}
}
