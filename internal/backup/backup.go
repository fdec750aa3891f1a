// Package backup writes and reads copies of a store as tar files: first a list of the files
// of a snapshot, then the files in that order.
package backup

import (
	"archive/tar"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"time"

	"github.com/wirepost/wirepost/engine"
)

const (
	// listName is the first entry.
	listName = "BACKUP.json"
	// format is the version of the entries.
	format = 1
	// maxList limits the list: a store of a terabyte has some hundred thousand files.
	maxList = 64 << 20
)

// List says what a copy consists of.
type List struct {
	Format int       `json:"format"`
	Epoch  string    `json:"epoch"` // of the store that was copied
	Time   time.Time `json:"time"`
	Files  []File    `json:"files"`
}

// File is a file of the store.
type File struct {
	Name string `json:"name"`
	Size int64  `json:"size"`
}

// Write writes a snapshot.
func Write(w io.Writer, s engine.Snapshot, epoch string, at time.Time) error {
	l := List{Format: format, Epoch: epoch, Time: at.UTC()}
	for _, f := range s.Files() {
		l.Files = append(l.Files, File(f))
	}
	text, err := json.MarshalIndent(l, "", "\t")
	if err != nil {
		return err
	}
	out := tar.NewWriter(w)
	header := func(name string, size int64) error {
		return out.WriteHeader(&tar.Header{Name: name, Size: size, Mode: 0o600, ModTime: l.Time})
	}
	if err := header(listName, int64(len(text))); err != nil {
		return err
	}
	if _, err := out.Write(text); err != nil {
		return err
	}
	for i, f := range l.Files {
		if err := header(f.Name, f.Size); err != nil {
			return err
		}
		if _, err := io.CopyBuffer(struct{ io.Writer }{out}, &reader{s: s, file: i, size: f.Size}, make([]byte, 256<<10)); err != nil {
			return fmt.Errorf("file %s: %w", f.Name, err)
		}
	}
	return out.Close()
}

// reader reads a file of a snapshot from its beginning.
type reader struct {
	s        engine.Snapshot
	file     int
	at, size int64
}

func (r *reader) Read(p []byte) (int, error) {
	if r.at == r.size {
		return 0, io.EOF
	}
	p = p[:min(int64(len(p)), r.size-r.at)]
	n, err := r.s.ReadAt(r.file, p, r.at)
	r.at += int64(n)
	if n == len(p) || n > 0 && err == io.EOF {
		err = nil
	}
	return n, err
}

// Read passes the files of a copy to a receiver, which then can install them. It returns an
// error if one is missing.
func Read(r io.Reader, to engine.Receiver) (*List, error) {
	in := tar.NewReader(r)
	l, err := readList(in)
	if err != nil {
		return nil, err
	}
	files := make([]engine.SnapshotFile, len(l.Files))
	for i, f := range l.Files {
		files[i] = engine.SnapshotFile(f)
	}
	if err := to.Begin(files); err != nil {
		return nil, err
	}
	for i, f := range l.Files {
		if err := readFile(in, to, i, f); err != nil {
			return nil, fmt.Errorf("file %d of %d, %s: %w", i+1, len(l.Files), f.Name, err)
		}
	}
	if _, err := in.Next(); err != io.EOF {
		return nil, errors.Join(err, errors.New("the backup does not end after its last file"))
	}
	return l, nil
}

func readList(in *tar.Reader) (*List, error) {
	header, err := in.Next()
	if err != nil || header.Name != listName {
		return nil, fmt.Errorf("it is not a backup of Wirepost: it does not begin with %s", listName)
	}
	var l List
	if err := json.NewDecoder(io.LimitReader(in, maxList)).Decode(&l); err != nil {
		return nil, fmt.Errorf("%s: %w", listName, err)
	}
	if l.Format != format {
		return nil, fmt.Errorf("the backup has the format %d, this program reads %d", l.Format, format)
	}
	return &l, nil
}

func readFile(in *tar.Reader, to engine.Receiver, i int, f File) error {
	header, err := in.Next()
	if err == io.EOF {
		err = io.ErrUnexpectedEOF
	}
	if err != nil {
		return fmt.Errorf("the backup is incomplete: %w", err)
	}
	if header.Name != f.Name {
		return fmt.Errorf("the backup has %q there", header.Name)
	}
	w, err := to.Create(i)
	if err != nil {
		return err
	}
	_, err = io.CopyBuffer(struct{ io.Writer }{w}, in, make([]byte, 256<<10))
	return errors.Join(err, w.Close())
}
