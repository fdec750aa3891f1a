package httpapi

import (
	"errors"
	"net/http"
)

// backup is POST /v1/backup.
func (a *api) backup(w http.ResponseWriter, r *request) error {
	body := &slowBody{w: w}
	err := a.srv.Backup(r.Context(), body)
	if err == nil || !body.begun {
		return err
	}
	// The client must not take what it has for complete.
	if r.Context().Err() == nil {
		a.logger.Error("backup failed", "error", err)
	}
	panic(http.ErrAbortHandler)
}

// slowBody is a response that may take any time, as long as each part of it is accepted in
// time.
type slowBody struct {
	w     http.ResponseWriter
	begun bool
}

func (b *slowBody) Write(p []byte) (int, error) {
	if !b.begun {
		b.begun = true
		b.w.Header().Set("Content-Type", "application/x-tar")
		b.w.Header().Set("Content-Disposition", `attachment; filename="wirepost.tar"`)
	}
	limitResponse(b.w)
	n, err := b.w.Write(p)
	if err != nil {
		return n, errors.Join(errSlowReader, err)
	}
	return n, nil
}

var errSlowReader = errors.New("the client does not read the response, or is gone")
