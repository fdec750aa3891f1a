package main

import (
	"archive/zip"
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"time"

	"golang.org/x/mod/module"
	modzip "golang.org/x/mod/zip"
)

const modulePath = "github.com/wirepost/wirepost"

// module writes an archive with the Go module, as a module proxy has it. Unpacked, it is one
// for the go command:
//
//	GOPROXY=file:///DIRECTORY,$(go env GOPROXY) go install github.com/wirepost/wirepost/cmd/wirepost@v0.1.0
func (r *release) module(ctx context.Context, out string) error {
	mod, err := gitBytes(ctx, r.root, "show", r.commit+":go.mod")
	if err != nil {
		return err
	}
	info, err := json.Marshal(struct {
		Version string
		Time    time.Time
	}{r.version, r.time})
	if err != nil {
		return err
	}
	packed, err := r.moduleZip(ctx)
	if err != nil {
		return err
	}
	files := []file{
		{"list", 0o644, []byte(r.version + "\n")},
		{r.version + ".info", 0o644, info},
		{r.version + ".mod", 0o644, mod},
		{r.version + ".zip", 0o644, packed},
	}
	name := fmt.Sprintf("wirepost_%s_goproxy.zip", r.number())
	return write(filepath.Join(out, name), files, modulePath+"/@v", r.time, zipFiles)
}

// moduleZip packs what is committed as the go command does: without the modules in
// subdirectories.
func (r *release) moduleZip(ctx context.Context) ([]byte, error) {
	archive, err := gitBytes(ctx, r.root, "archive", "--format=zip", r.commit)
	if err != nil {
		return nil, err
	}
	opened, err := zip.NewReader(bytes.NewReader(archive), int64(len(archive)))
	if err != nil {
		return nil, err
	}
	var files []modzip.File
	for _, f := range opened.File {
		if !f.FileInfo().IsDir() {
			files = append(files, committed{f})
		}
	}
	var packed bytes.Buffer
	err = modzip.Create(&packed, module.Version{Path: modulePath, Version: r.version}, files)
	return packed.Bytes(), err
}

// committed is a file of an archive that git made.
type committed struct{ f *zip.File }

func (c committed) Path() string                 { return c.f.Name }
func (c committed) Lstat() (os.FileInfo, error)  { return c.f.FileInfo(), nil }
func (c committed) Open() (io.ReadCloser, error) { return c.f.Open() }
