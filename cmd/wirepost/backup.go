package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"os"
	"path/filepath"

	"github.com/cockroachdb/pebble/v2/vfs"

	"github.com/wirepost/wirepost/engine"
	"github.com/wirepost/wirepost/engine/pebble"
	"github.com/wirepost/wirepost/httpapi"
	"github.com/wirepost/wirepost/internal/backup"
)

// backupCommand is `wirepost backup`.
type backupCommand struct {
	target
	File   string `arg:"" help:"The file, which must not exist; - is standard output."`
	APIKey string `name:"api-key" placeholder:"KEY" variable:"WIREPOST_API_KEY" help:"API key with the scope admin; not needed in dev mode."`
}

// Run writes the backup. The file has its name once it is complete and on the disk.
func (c *backupCommand) Run(ctx context.Context, t *terminal) error {
	if c.File == "-" {
		_, err := c.copy(ctx, t.Out)
		return wordBackup(err)
	}
	if _, err := os.Lstat(c.File); err == nil {
		return usagef("%s exists already", c.File)
	}
	part := c.File + ".part"
	f, err := os.OpenFile(part, os.O_CREATE|os.O_TRUNC|os.O_WRONLY, 0o600)
	if err != nil {
		return wordBackup(err)
	}
	defer os.Remove(part) //nolint:errcheck // unless it was renamed
	list, err := c.copy(ctx, f)
	if err == nil {
		err = f.Sync()
	}
	if err = errors.Join(err, f.Close()); err != nil {
		return wordBackup(err)
	}
	if err := os.Rename(part, c.File); err != nil {
		return wordBackup(err)
	}
	if err := syncDirectory(filepath.Dir(c.File)); err != nil {
		return wordBackup(err)
	}
	var bytes int64
	for _, f := range list.Files {
		bytes += f.Size
	}
	fmt.Fprintf(t.Out, "%s: %d files, %d bytes, epoch %s\n", c.File, len(list.Files), bytes, printable(list.Epoch))
	return nil
}

func wordBackup(err error) error {
	if err == nil {
		return nil
	}
	return fmt.Errorf("backup: %w", printableError(err))
}

// copy copies the response to w, and checks that it is a complete backup.
func (c *backupCommand) copy(ctx context.Context, w io.Writer) (list *backup.List, err error) {
	err = c.Server.ask(ctx, http.MethodPost, "/v1/backup", nil, keyFor(c.APIKey, httpapi.Admin), func(body io.Reader) (err error) {
		copied := io.TeeReader(body, w)
		if list, err = backup.Read(copied, unread{}); err == nil {
			_, err = io.Copy(io.Discard, copied) // what follows the end of a tar file
		}
		return err
	})
	return list, err
}

// unread is a receiver that keeps nothing.
type unread struct{ io.Writer }

func (unread) Begin([]engine.SnapshotFile) error  { return nil }
func (unread) Create(int) (io.WriteCloser, error) { return unread{io.Discard}, nil }
func (unread) Install() error                     { return nil }
func (unread) Close() error                       { return nil }

// syncDirectory makes a renaming durable.
func syncDirectory(path string) error {
	d, err := vfs.Default.OpenDir(path)
	if err != nil {
		return err
	}
	return errors.Join(d.Sync(), d.Close())
}

// restoreCommand is `wirepost restore`.
type restoreCommand struct {
	File string `arg:"" help:"The backup; - is standard input."`
	Dir  string `arg:"" placeholder:"DIR" help:"The data directory: empty or missing."`
	JSON bool   `name:"json" help:"Print the report of the new store as JSON."`
}

// Run makes a store of the backup and reads all of it.
func (c *restoreCommand) Run(t *terminal) error {
	in := t.In
	if c.File != "-" {
		f, err := os.Open(c.File)
		if err != nil {
			return fmt.Errorf("restore: %w", err)
		}
		defer f.Close() //nolint:errcheck // it was read
		in = f
	}
	o := pebble.Options{Logger: slog.New(slog.DiscardHandler)}
	_, err := pebble.Restore(c.Dir, o, func(to engine.Receiver) error {
		_, err := backup.Read(in, to)
		return err
	})
	if err != nil {
		return printableError(err)
	}
	r, err := pebble.Check(vfs.Default, c.Dir)
	if err != nil {
		return fmt.Errorf("restore: %w", err)
	}
	if err := t.report(r, c.JSON); err != nil {
		return err
	}
	if !r.OK() {
		return errDamaged
	}
	return nil
}
