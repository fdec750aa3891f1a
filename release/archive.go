package main

import (
	"archive/tar"
	"archive/zip"
	"bytes"
	"compress/gzip"
	"fmt"
	"os"
	"path/filepath"
	"time"
)

// file is a file of an archive.
type file struct {
	name string
	mode int64
	data []byte
}

// archive writes an archive with the program and what belongs to it: a zip file for
// Windows, or else a compressed tar file.
func (r *release) archive(p platform, binary string, g *generated, out string) error {
	top := fmt.Sprintf("wirepost_%s_%s_%s", r.number(), p.os, p.arch)
	program, err := os.ReadFile(binary)
	if err != nil {
		return err
	}
	files := []file{{p.program(), 0o755, program}}
	for _, name := range []string{"LICENSE", "README.md", "README.zh-CN.md", "CHANGELOG.md"} {
		data, err := os.ReadFile(filepath.Join(r.root, name))
		if err != nil {
			return err
		}
		files = append(files, file{name, 0o644, data})
	}
	if p.os == "windows" {
		return write(filepath.Join(out, top+".zip"), files, top, r.time, zipFiles)
	}
	files = append(files,
		file{"wirepost.1", 0o644, g.page}, file{"completions/wirepost.bash", 0o644, g.bash},
		file{"completions/_wirepost", 0o644, g.zsh}, file{"completions/wirepost.fish", 0o644, g.fish})
	return write(filepath.Join(out, top+".tar.gz"), files, top, r.time, tarFiles)
}

func write(path string, files []file, top string, at time.Time, pack func(*bytes.Buffer, []file, string, time.Time) error) error {
	var b bytes.Buffer
	if err := pack(&b, files, top, at); err != nil {
		return err
	}
	return os.WriteFile(path, b.Bytes(), 0o644)
}

func tarFiles(b *bytes.Buffer, files []file, top string, at time.Time) error {
	compressed, err := gzip.NewWriterLevel(b, gzip.BestCompression)
	if err != nil {
		return err
	}
	t := tar.NewWriter(compressed)
	for _, f := range files {
		header := &tar.Header{Name: top + "/" + f.name, Mode: f.mode, Size: int64(len(f.data)), ModTime: at, Format: tar.FormatUSTAR}
		if err := t.WriteHeader(header); err != nil {
			return err
		}
		if _, err := t.Write(f.data); err != nil {
			return err
		}
	}
	if err := t.Close(); err != nil {
		return err
	}
	return compressed.Close()
}

func zipFiles(b *bytes.Buffer, files []file, top string, at time.Time) error {
	z := zip.NewWriter(b)
	for _, f := range files {
		header := &zip.FileHeader{Name: top + "/" + f.name, Method: zip.Deflate, Modified: at}
		header.SetMode(os.FileMode(f.mode))
		w, err := z.CreateHeader(header)
		if err != nil {
			return err
		}
		if _, err := w.Write(f.data); err != nil {
			return err
		}
	}
	return z.Close()
}
