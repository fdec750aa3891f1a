package httpapi

import (
	"bytes"
	"context"
	"errors"
	"io"
	"log/slog"
	"net/http"
	"testing"

	"github.com/wirepost/wirepost"
	"github.com/wirepost/wirepost/engine"
)

// saving is a server whose backup is given.
type saving struct {
	*wirepost.Server
	parts []string
	err   error
}

func (s *saving) Backup(_ context.Context, w io.Writer) error {
	for _, part := range s.parts {
		if _, err := io.WriteString(w, part); err != nil {
			return err
		}
	}
	return s.err
}

func TestBackup(t *testing.T) {
	t.Parallel()
	newSite(t).do("POST", "/v1/backup", "").problem(404, "") // in memory
	srv := newServer(t)
	source := &saving{Server: srv, parts: []string{"one ", "two"}}
	read := "read:the-key-of-a-reader"
	s := serveHandler(t, newHandler(source, Options{Keys: []string{testKey, read}, Logger: slog.New(slog.DiscardHandler)}), srv)
	r := s.do("POST", "/v1/backup", "").is(200)
	if got := r.header.Get("Content-Type"); got != "application/x-tar" || string(r.body) != "one two" {
		t.Errorf("%q, %q", got, r.body)
	}
	s.do("POST", "/v1/backup", "", "Authorization: Bearer the-key-of-a-reader").problem(403, "")
	source.parts, source.err = nil, &wirepost.Error{Code: wirepost.CodeUnavailable, Message: "copied already", Err: engine.ErrSnapshotOpen}
	s.do("POST", "/v1/backup", "").problem(503, "")

	// What fails later does not look complete.
	source.parts, source.err = []string{"one "}, errors.New("the disk failed")
	request, err := http.NewRequest(http.MethodPost, s.url+"/v1/backup", nil)
	if err != nil {
		t.Fatal(err)
	}
	request.Header.Set("Authorization", "Bearer "+testKey)
	response, err := s.client.Do(request)
	if err != nil {
		return // the connection was closed before the client has read the header
	}
	defer response.Body.Close() //nolint:errcheck // it was read
	if body, err := io.ReadAll(response.Body); err == nil || !bytes.HasPrefix([]byte("one "), body) {
		t.Errorf("the body is %q, %v", body, err)
	}
}
