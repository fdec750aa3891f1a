package snapshot

import (
	"context"
	"crypto/rand"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"time"

	"github.com/wirepost/wirepost/engine"
	"github.com/wirepost/wirepost/engine/cluster/internal/pause"
)

const (
	offerTimeout = 2 * time.Second
	beginTimeout = takeTimeout + 10*time.Second
	readTimeout  = 5 * time.Second
	// readAttempts is how often a request is made before another node is asked.
	readAttempts = 4
	fetchPause   = 200 * time.Millisecond // after an attempt that failed; then longer
	offerPause   = time.Second            // after no node made an offer
)

// Progress is how far a node has come that fetches a snapshot.
type Progress struct {
	Source string // the node that it is fetched from; "": no node is ready
	Bytes  int64  // received from it
	Total  int64  // 0: not known yet
}

func (p Progress) String() string {
	switch {
	case p.Source == "":
		return "it waits for a ready node, to fetch a snapshot from"
	case p.Total == 0:
		return fmt.Sprintf("node %s takes a snapshot for it", p.Source)
	}
	return fmt.Sprintf("it fetches a snapshot from node %s: %d of %d MiB", p.Source, p.Bytes>>20, (p.Total+1<<20-1)>>20)
}

// Fetcher fetches a snapshot. It is used once.
type Fetcher struct {
	Cluster, Node string // of the node that fetches it
	Bus           engine.Bus
	Logger        *slog.Logger
	Report        func(Progress) // is called when there is some

	fetch  string // names this attempt
	failed []string
}

// localError is an error of the node that fetches: another source would not help.
type localError struct{ error }

func (e *localError) Unwrap() error { return e.error }

// Run fetches a snapshot from any node, and installs it. It tries until it succeeds, ctx is
// done, or the snapshot cannot be written.
func (f *Fetcher) Run(ctx context.Context, store engine.ReplicaStore) error {
	to, err := store.Receive()
	if err != nil {
		return err
	}
	return errors.Join(f.receive(ctx, to), to.Close())
}

func (f *Fetcher) receive(ctx context.Context, to engine.Receiver) error {
	wait := fetchPause
	for {
		source, err := f.source(ctx)
		if err != nil {
			return err
		}
		if err = f.from(ctx, source, to); err == nil {
			err = to.Install()
			if err != nil && !errors.Is(err, engine.ErrDamaged) {
				err = &localError{err}
			}
		}
		if err == nil || ctx.Err() != nil || errors.As(err, new(*localError)) {
			return err
		}
		f.Logger.Warn("a snapshot could not be fetched", "source", source, "error", err)
		f.failed = append(f.failed, source)
		if err := pause.For(ctx, wait); err != nil {
			return err
		}
		wait = min(2*wait, time.Minute)
	}
}

// source waits for the offer of a node. Nodes that failed are asked again once no other
// makes one.
func (f *Fetcher) source(ctx context.Context) (string, error) {
	f.Report(Progress{})
	for waited := false; ; waited = true {
		var from offer
		err := f.ask(ctx, offerTimeout, offerTopic, request{Except: f.failed}, &from)
		if err == nil {
			return from.Node, nil
		}
		if ctx.Err() != nil {
			return "", context.Cause(ctx)
		}
		f.failed = nil
		if !waited {
			f.Logger.Warn("no node is ready to take a snapshot; waiting for one", "error", err)
		}
		if err := pause.For(ctx, offerPause); err != nil {
			return "", err
		}
	}
}

// from fetches a snapshot from a node.
func (f *Fetcher) from(ctx context.Context, source string, to engine.Receiver) error {
	f.fetch = rand.Text()
	p := Progress{Source: source}
	f.Report(p)
	var b begun
	err := f.repeat(ctx, func() error {
		return f.ask(ctx, beginTimeout, topicOf(source), request{Op: "begin"}, &b)
	})
	if err != nil {
		return err
	}
	defer f.ask(context.WithoutCancel(ctx), offerTimeout, topicOf(source), request{Op: "done", ID: b.ID}, nil) //nolint:errcheck // it expires
	if b.ListBytes < 0 || b.ListBytes > maxListBytes {
		return errMalformed
	}
	var list []byte
	err = f.file(ctx, source, b.ID, listFile, b.ListBytes, func(chunk []byte) error {
		list = append(list, chunk...)
		return nil
	})
	if err != nil {
		return err
	}
	files, err := decodeFiles(list)
	if err != nil {
		return err
	}
	if err := to.Begin(files); err != nil {
		if errors.Is(err, engine.ErrFull) {
			return &localError{err}
		}
		return err
	}
	for _, file := range files {
		p.Total += file.Size
	}
	f.Logger.Info("fetching a snapshot", "source", source, "files", len(files), "bytes", p.Total)
	for i, file := range files {
		if err := f.write(ctx, source, b.ID, i, file, to, &p); err != nil {
			return fmt.Errorf("file %s: %w", file.Name, err)
		}
	}
	return nil
}

// write fetches a file and writes it.
func (f *Fetcher) write(ctx context.Context, source, id string, i int, file engine.SnapshotFile, to engine.Receiver, p *Progress) error {
	w, err := to.Create(i)
	if err != nil {
		return &localError{err}
	}
	err = f.file(ctx, source, id, i, file.Size, func(chunk []byte) error {
		if _, err := w.Write(chunk); err != nil {
			return &localError{err}
		}
		p.Bytes += int64(len(chunk))
		f.Report(*p)
		return nil
	})
	// What Close finds wrong is the content, unless the disk fails: then the next file
	// cannot be created either.
	return errors.Join(err, w.Close())
}

// file fetches a file in chunks.
func (f *Fetcher) file(ctx context.Context, source, id string, file int, size int64, take func(chunk []byte) error) error {
	for at := int64(0); at < size; {
		var chunk []byte
		err := f.repeat(ctx, func() (err error) {
			chunk, err = f.chunk(ctx, source, request{Op: "read", ID: id, File: file, Offset: at})
			return err
		})
		if err != nil {
			return err
		}
		if len(chunk) == 0 || int64(len(chunk)) > size-at {
			return errMalformed
		}
		if err := take(chunk); err != nil {
			return err
		}
		at += int64(len(chunk))
	}
	return nil
}

// chunk requests one chunk.
func (f *Fetcher) chunk(ctx context.Context, source string, r request) ([]byte, error) {
	response, err := f.request(ctx, readTimeout, topicOf(source), &r)
	if err != nil {
		return nil, err
	}
	return openChunk(&r, response)
}

// repeat repeats a request that fails, unless it makes no sense. To wait is no failure.
func (f *Fetcher) repeat(ctx context.Context, do func() error) error {
	for failed := 0; ; {
		err := do()
		wait, told := errors.AsType[waitError](err)
		switch {
		case err == nil:
			return nil
		case ctx.Err() != nil:
			return context.Cause(ctx)
		case errors.Is(err, errGone) || errors.Is(err, engine.ErrNoResponder):
			return err
		case !told:
			if failed++; failed == readAttempts {
				return err
			}
			wait = waitError(fetchPause << failed)
		}
		if err := pause.For(ctx, time.Duration(wait)); err != nil {
			return err
		}
	}
}

// ask makes a request whose response is JSON.
func (f *Fetcher) ask(ctx context.Context, timeout time.Duration, topic string, r request, into any) error {
	response, err := f.request(ctx, timeout, topic, &r)
	if err != nil {
		return err
	}
	rest, err := openResponse(response)
	if err != nil || into == nil {
		return err
	}
	return json.Unmarshal(rest, into)
}

func (f *Fetcher) request(ctx context.Context, timeout time.Duration, topic string, r *request) ([]byte, error) {
	r.Cluster, r.Node, r.Fetch = f.Cluster, f.Node, f.fetch
	data, err := json.Marshal(r)
	if err != nil {
		return nil, err
	}
	ctx, cancel := context.WithTimeout(ctx, timeout)
	defer cancel()
	return f.Bus.Request(ctx, topic, data)
}
