package backup

import (
	"bytes"
	"errors"
	"io"
	"strings"
	"testing"
	"time"

	"github.com/wirepost/wirepost/engine"
)

// contents is a snapshot, and the receiver of one.
type contents struct {
	names []string
	data  map[string]string
}

func (c *contents) Files() (all []engine.SnapshotFile) {
	for _, name := range c.names {
		all = append(all, engine.SnapshotFile{Name: name, Size: int64(len(c.data[name]))})
	}
	return all
}

func (c *contents) ReadAt(file int, p []byte, offset int64) (int, error) {
	return strings.NewReader(c.data[c.names[file]]).ReadAt(p, offset)
}

func (c *contents) Close() error   { return nil }
func (c *contents) Install() error { return errors.New("Read does not install") }

func (c *contents) Begin(files []engine.SnapshotFile) error {
	for _, f := range files {
		c.names = append(c.names, f.Name)
	}
	c.data = map[string]string{}
	return nil
}

func (c *contents) Create(file int) (io.WriteCloser, error) {
	return &writing{to: c, name: c.names[file]}, nil
}

type writing struct {
	strings.Builder
	to   *contents
	name string
}

func (w *writing) Close() error {
	w.to.data[w.name] = w.String()
	return nil
}

func written(t testing.TB) (*contents, []byte) {
	t.Helper()
	c := &contents{
		names: []string{"000001.sst", "empty", "000002.log"},
		data:  map[string]string{"000001.sst": strings.Repeat("table", 8000), "000002.log": "log"},
	}
	var b bytes.Buffer
	if err := Write(&b, c, "epoch", time.Unix(1e9, 0)); err != nil {
		t.Fatal(err)
	}
	return c, b.Bytes()
}

func TestWriteRead(t *testing.T) {
	want, data := written(t)
	got := &contents{}
	l, err := Read(bytes.NewReader(data), got)
	if err != nil || l.Epoch != "epoch" || !l.Time.Equal(time.Unix(1e9, 0)) {
		t.Fatal(l, err)
	}
	for _, name := range want.names {
		if got.data[name] != want.data[name] {
			t.Errorf("%s has %d bytes, want %d", name, len(got.data[name]), len(want.data[name]))
		}
	}
}

// TestCut: no part of a backup is taken for a whole one.
func TestCut(t *testing.T) {
	_, data := written(t)
	// What follows the last byte of the last file is padding.
	for at := 0; at < len(data)-1024-512+len("log"); at += 127 {
		if _, err := Read(bytes.NewReader(data[:at]), &contents{}); err == nil {
			t.Errorf("%d of %d bytes are read", at, len(data))
		}
	}
}

// FuzzRead: nothing that is read makes it panic.
func FuzzRead(f *testing.F) {
	_, data := written(f)
	f.Add(data[:4096])
	f.Fuzz(func(_ *testing.T, data []byte) {
		Read(bytes.NewReader(data), &contents{}) //nolint:errcheck // most are no backups
	})
}
