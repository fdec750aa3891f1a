package wirepost

import (
	"context"
	"errors"
	"io"
	"net/http"
	"time"

	"github.com/wirepost/wirepost/engine"
	"github.com/wirepost/wirepost/internal/backup"
)

var errNoBackup = &Error{
	Code: CodeNotFound, Message: "this server keeps its messages in memory, of which there is no backup",
}

// Backup writes a copy of the store as it is at one moment, while the server is in use: a
// tar file, which `wirepost restore` makes a store of. It has every message whose push was
// acknowledged before the call, and the cursors of devices as they were saved last, some
// seconds before: a device may get a message again. On a node of a cluster it is the replica of that node, with
// everything that it has applied. There is one backup at a time; another one is refused
// with CodeUnavailable.
//
// While w is slow, files remain on the disk that the store would remove.
func (s *Server) Backup(ctx context.Context, w io.Writer) error {
	source, ok := s.engine.(engine.Copier)
	if !ok {
		return errNoBackup
	}
	snapshot, err := source.Snapshot(ctx)
	switch {
	case errors.Is(err, errors.ErrUnsupported):
		return errNoBackup
	case errors.Is(err, engine.ErrSnapshotOpen):
		return &Error{
			Code: CodeUnavailable, Status: http.StatusServiceUnavailable, RetryAfter: time.Minute,
			Message: "the store is being copied already, for a backup or for a node that joins the cluster", Err: err,
		}
	case err != nil:
		return err
	}
	err = backup.Write(&cancelable{ctx, w}, snapshot, s.engine.Epoch(), time.Now())
	return errors.Join(err, snapshot.Close())
}

// cancelable is a writer that fails when its context has ended.
type cancelable struct {
	ctx context.Context
	w   io.Writer
}

func (c *cancelable) Write(p []byte) (int, error) {
	if err := context.Cause(c.ctx); err != nil {
		return 0, err
	}
	return c.w.Write(p)
}
