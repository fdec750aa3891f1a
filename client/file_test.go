package client

import (
	"maps"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

func openFile(t *testing.T, path string) Store {
	t.Helper()
	s, err := OpenFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func cursorsOf(t *testing.T, path string) map[string]uint64 {
	t.Helper()
	s := openFile(t, path)
	defer s.Close()
	b, err := s.Load()
	if err != nil {
		t.Fatal(err)
	}
	return b.Cursors
}

func TestFile(t *testing.T) {
	path := filepath.Join(t.TempDir(), "bookmark")
	s := openFile(t, path)
	if b, err := s.Load(); err != nil || b.User != "" || b.Device != "" || len(b.Cursors) != 0 {
		t.Fatalf("%+v %v", b, err)
	}
	if err := s.Save(Bookmark{User: "42", Device: "d", Epoch: "e", Cursors: map[string]uint64{"a": 1}}); err != nil {
		t.Fatal(err)
	}
	for seq := range uint64(30_000) { // enough for the file to be rewritten
		for _, channel := range []string{"a", "b \"\n"} {
			if err := s.Advance("e", channel, seq); err != nil {
				t.Fatal(err)
			}
		}
	}
	s.Advance("e", "a", 7)             //nolint:errcheck // a lower position: no effect
	s.Advance("other", "a", 1_000_000) //nolint:errcheck // another epoch: no effect
	// A killed process does not close the file.
	want := map[string]uint64{"a": 29_999, "b \"\n": 29_999}
	if got := cursorsOf(t, path); !maps.Equal(got, want) {
		t.Errorf("got %v", got)
	}
	if err := s.Close(); err != nil {
		t.Error(err)
	}
	// A handler may outlive the client.
	if err := s.Advance("e", "a", 30_000); err != nil {
		t.Error(err)
	}
	if got := cursorsOf(t, path)["a"]; got != 30_000 {
		t.Errorf("after Close: %d", got)
	}
	if left, _ := filepath.Glob(filepath.Join(filepath.Dir(path), "*")); len(left) != 1 {
		t.Errorf("files: %v", left)
	}
	if info, err := os.Stat(path); err != nil || info.Size() > maxTail+1000 {
		t.Errorf("%v %v", info, err)
	}
}

// TestFileTorn: if the end of the file is missing or garbage, the part before it is used.
func TestFileTorn(t *testing.T) {
	path := filepath.Join(t.TempDir(), "bookmark")
	s := openFile(t, path)
	if err := s.Save(Bookmark{User: "42", Epoch: "e"}); err != nil {
		t.Fatal(err)
	}
	head, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	var ends []int // of the lines
	for seq := range uint64(8) {
		if err := s.Advance("e", "user:42", 900+10*seq); err != nil {
			t.Fatal(err)
		}
		info, _ := os.Stat(path)
		ends = append(ends, int(info.Size()))
	}
	s.Close()
	whole, _ := os.ReadFile(path)
	for size := len(head); size <= len(whole); size++ {
		want := uint64(0)
		for i, end := range ends {
			if end <= size {
				want = 900 + 10*uint64(i)
			}
		}
		for _, garbage := range []string{"", "\x00\x00\x00", "99999 \"user:42\" 00000000\n"} {
			if err := os.WriteFile(path, append(whole[:size:size], garbage...), 0o600); err != nil {
				t.Fatal(err)
			}
			if got := cursorsOf(t, path)["user:42"]; got != want {
				t.Fatalf("cut at %d and followed by %q: %d, want %d", size, garbage, got, want)
			}
		}
	}
}

func TestFileForeign(t *testing.T) {
	path := filepath.Join(t.TempDir(), "bookmark")
	for text, want := range map[string]string{
		"dear diary\n":                            "not a bookmark of a client",
		`{"a":1}` + "\n":                          "not a bookmark of a client",
		`{"wirepost":"bookmark","version":7}`:     "version 7",
		`{"wirepost":"bookmark","version":1,"use`: "not a bookmark of a client",
	} {
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		if _, err := OpenFile(path); err == nil || !strings.Contains(err.Error(), want) || !strings.Contains(err.Error(), path) {
			t.Errorf("%q: %v", text, err)
		}
		if left, _ := os.ReadFile(path); string(left) != text {
			t.Errorf("%q was changed", text)
		}
	}
	if err := os.WriteFile(path, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	openFile(t, path)
	if _, err := OpenFile(t.TempDir()); err == nil {
		t.Error("a directory was opened")
	}
}

func FuzzFile(f *testing.F) {
	f.Add(`{"wirepost":"bookmark","version":1,"cursors":{"a":1}}` + "\n" + string(appendCursor(nil, "a", 2)))
	f.Fuzz(func(t *testing.T, text string) {
		s := &fileStore{}
		s.parse(text) //nolint:errcheck // only panics count
	})
}
