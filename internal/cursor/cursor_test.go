package cursor

import (
	"encoding/base64"
	"encoding/binary"
	"maps"
	"slices"
	"testing"

	"github.com/wirepost/wirepost/internal/names"
)

// A name that collides with another one under one connection's hash does not collide
// under that of the next connection.
func TestChannelHashesAreKeyedByTheConnection(t *testing.T) {
	t.Parallel()
	a, b := names.NewConnectionID(), names.NewConnectionID()
	if a.Sum("user:victim") == b.Sum("user:victim") || a.Sum("user:victim") == a.Sum("room:7") {
		t.Error("the hash of a channel's name is predictable")
	}
}

// Two entries with the same hash cannot move a cursor past messages not received.
func TestTheLowerOfTwoEntriesCounts(t *testing.T) {
	t.Parallel()
	id := names.NewConnectionID()
	b := append([]byte{form, 0}, id[:]...)
	b = binary.BigEndian.AppendUint64(b, sumStore(id, "epoch", "user:victim"))
	b = append(b, 3, 4)
	b = append(binary.BigEndian.AppendUint64(b, id.Sum("user:victim")), 9)
	p, store, ok := decode(base64.RawURLEncoding.EncodeToString(b), "user:victim")
	if !ok || store != sumStore(id, "epoch", "user:victim") {
		t.Fatal("the cursor is refused")
	}
	if seq, ok := p.Of("user:victim"); !ok || seq != 3 {
		t.Errorf("the inbox is at %d, %t", seq, ok)
	}
	if seq, ok := p.Of(names.All); !ok || seq != 4 {
		t.Errorf("All is at %d, %t", seq, ok)
	}
	if _, ok := p.Of("room:7"); ok {
		t.Error("a room that is not in the cursor has a sequence")
	}
}

func FuzzCursor(f *testing.F) {
	f.Add("")
	f.Add("!")
	f.Add("AgA")
	f.Add(base64.RawURLEncoding.EncodeToString([]byte("EPOCH\x0012345678\x01"))) // the first form
	id := names.ConnectionID{1, 2, 3}
	b := append([]byte{form, partial}, id[:]...)
	b = append(binary.BigEndian.AppendUint64(b, id.Sum("EPOCH")), 5, 0x80, 1)
	f.Add(base64.RawURLEncoding.EncodeToString(b))
	b = append(binary.BigEndian.AppendUint64(b, id.Sum("news")), 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 1)
	f.Add(base64.RawURLEncoding.EncodeToString(b))
	f.Add(base64.RawURLEncoding.EncodeToString(append(b, 0, 0, 0, 0, 0, 0, 0, 0, 0x80)))
	f.Fuzz(func(t *testing.T, text string) {
		p, _, ok := decode(text, "user:42")
		if !ok {
			return
		}
		if len(p.seqs) > MaxBytes/9+2 {
			t.Fatalf("a cursor of %d characters has %d channels", len(text), len(p.seqs))
		}
		if p.seqs == nil {
			return // of the first form
		}
		again, _, ok := decode(rewrite(p), "user:42")
		if !ok || again.Partial != p.Partial || !maps.Equal(again.seqs, p.seqs) {
			t.Fatalf("read %+v, and again %+v", p, again)
		}
	})
}

// rewrite writes what was read: the inbox, All and the rest.
func rewrite(p *Cursor) string {
	b := append([]byte{form, 0}, p.connection[:]...)
	if p.Partial {
		b[1] = partial
	}
	b = binary.BigEndian.AppendUint64(b, 0)
	fixed := [...]uint64{p.connection.Sum("user:42"), p.connection.Sum(names.All)}
	for _, hash := range fixed {
		b = binary.AppendUvarint(b, p.seqs[hash])
	}
	for hash, seq := range p.seqs {
		if !slices.Contains(fixed[:], hash) {
			b = binary.AppendUvarint(binary.BigEndian.AppendUint64(b, hash), seq)
		}
	}
	return base64.RawURLEncoding.EncodeToString(b)
}
