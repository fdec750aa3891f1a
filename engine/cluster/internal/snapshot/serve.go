package snapshot

import (
	"context"
	"crypto/rand"
	"encoding/binary"
	"encoding/json"
	"fmt"
	"io"
	"log/slog"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"golang.org/x/time/rate"

	"github.com/wirepost/wirepost/engine"
)

const (
	// DefaultRate is how many bytes a second a node sends of its snapshot.
	DefaultRate = 32 << 20
	// idleAfter is how long a snapshot remains that no node asks for.
	idleAfter = time.Minute
	// sharedFor is how old a snapshot may be when another node begins to fetch it.
	sharedFor = 10 * time.Minute
	// holdFor is how long the log is kept for a node that has fetched a snapshot, until the
	// log knows it as a member.
	holdFor = time.Minute
	// takeTimeout limits the time to take a snapshot.
	takeTimeout = 20 * time.Second
)

// Server serves the snapshot of a node's replica, of which there is at most one. As long as
// it exists, the log is kept from there on.
type Server struct {
	Cluster, Node  string // of this node
	Bus            engine.Bus
	Source         engine.Snapshotter
	BytesPerSecond int // 0: DefaultRate
	Logger         *slog.Logger
	Ready          func() error // says why there is no snapshot now
	Draining       func() bool  // reports whether other nodes should be asked
	// Hold keeps the log from the present position on, and Release ends that.
	Hold, Release func()

	taken atomic.Uint64
	limit *rate.Limiter // bytes

	mu      sync.Mutex
	current *served     // nil: there is none
	idle    *time.Timer // closes it
	held    *time.Timer // releases the log
	closed  bool
}

// served is the snapshot that is served.
type served struct {
	engine.Snapshot
	id      string
	list    []byte
	at      time.Time       // when it was taken
	fetches map[string]bool // under way
}

// Start serves snapshots until stop is called. None is taken after ctx is done.
func (s *Server) Start(ctx context.Context) (stop func(), err error) {
	if s.BytesPerSecond <= 0 {
		s.BytesPerSecond = DefaultRate
	}
	s.limit = rate.NewLimiter(rate.Limit(s.BytesPerSecond), chunkBytes)
	stopOffers, err := s.Bus.Subscribe(offerTopic, s.offer)
	if err != nil {
		return nil, err
	}
	stopRequests, err := s.Bus.Subscribe(topicOf(s.Node), func(data []byte) []byte { return s.respond(ctx, data) })
	if err != nil {
		stopOffers()
		return nil, err
	}
	return func() {
		stopOffers()
		stopRequests()
		s.close()
	}, nil
}

// Taken returns how many snapshots this node has taken for others.
func (s *Server) Taken() uint64 { return s.taken.Load() }

// decode decodes a request of another node of this cluster.
func (s *Server) decode(data []byte) *request {
	var r request
	if err := json.Unmarshal(data, &r); err != nil || r.Cluster != s.Cluster || r.Node == s.Node {
		return nil
	}
	return &r
}

// offer responds if this node can serve a snapshot.
func (s *Server) offer(data []byte) []byte {
	r := s.decode(data)
	if r == nil || slices.Contains(r.Except, s.Node) || s.Ready() != nil || s.Draining() {
		return nil
	}
	return respondJSON(respondDone, offer{s.Node})
}

func (s *Server) respond(ctx context.Context, data []byte) []byte {
	r := s.decode(data)
	if r == nil {
		return append([]byte{respondError}, "the request is of another cluster, or of a node with the same name"...)
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	switch r.Op {
	case "begin":
		return s.beginLocked(ctx, r)
	case "read":
		return s.readLocked(r)
	case "done":
		if c := s.current; c != nil && c.id == r.ID {
			delete(c.fetches, r.Fetch)
			if len(c.fetches) == 0 {
				s.dropLocked("all nodes have it")
			}
		}
		return []byte{respondDone}
	}
	return append([]byte{respondError}, "the request is unknown"...)
}

func (s *Server) beginLocked(ctx context.Context, r *request) []byte {
	if c := s.current; c != nil && time.Since(c.at) > sharedFor {
		return respondJSON(respondWait, 5*time.Second) // an older one is still being fetched
	}
	if err := s.takeLocked(ctx); err != nil {
		s.Logger.Warn("no snapshot for another node", "for", r.Node, "error", err)
		return append([]byte{respondError}, err.Error()...)
	}
	c := s.current
	c.fetches[r.Fetch] = true
	s.idle.Reset(idleAfter)
	s.Logger.Info("another node fetches a snapshot", "node", r.Node, "files", len(c.Files()), "snapshot", c.id)
	return respondJSON(respondDone, begun{ID: c.id, ListBytes: int64(len(c.list))})
}

// takeLocked takes a snapshot if there is none.
func (s *Server) takeLocked(ctx context.Context) error {
	switch {
	case s.current != nil:
		return nil
	case s.closed:
		return engine.ErrClosed
	}
	if err := s.Ready(); err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(ctx, takeTimeout)
	defer cancel()
	s.holdLocked() // before: the snapshot has at least what is held
	taken, err := s.Source.Snapshot(ctx)
	if err != nil {
		s.releaseLater()
		return err
	}
	list := appendFiles(nil, taken.Files())
	if len(list) > maxListBytes {
		s.releaseLater()
		taken.Close() //nolint:errcheck // the next start removes it
		return fmt.Errorf("the store has too many files: %d", len(taken.Files()))
	}
	s.current = &served{Snapshot: taken, id: rand.Text(), list: list, at: time.Now(), fetches: map[string]bool{}}
	s.idle = time.AfterFunc(idleAfter, s.expire)
	s.taken.Add(1)
	return nil
}

func (s *Server) readLocked(r *request) []byte {
	c := s.current
	if c == nil || c.id != r.ID || !c.fetches[r.Fetch] {
		return []byte{respondGone}
	}
	s.idle.Reset(idleAfter)
	if err := s.Ready(); err != nil { // for example because the disk becomes full
		s.dropLocked(err.Error())
		return []byte{respondGone}
	}
	size := int64(len(c.list))
	if r.File != listFile {
		if r.File < 0 || r.File >= len(c.Files()) {
			return append([]byte{respondError}, "there is no such file"...)
		}
		size = c.Files()[r.File].Size
	}
	if r.Offset < 0 || r.Offset >= size {
		return append([]byte{respondError}, "the offset is not in the file"...)
	}
	n := int(min(size-r.Offset, chunkBytes))
	if turn := s.limit.ReserveN(time.Now(), n); turn.Delay() > 0 {
		wait := turn.Delay()
		turn.Cancel()
		return respondJSON(respondWait, min(wait, idleAfter/4))
	}
	response := make([]byte, 5+n)
	chunk := response[5:]
	if r.File == listFile {
		copy(chunk, c.list[r.Offset:])
	} else if got, err := c.ReadAt(r.File, chunk, r.Offset); got < n || err != nil && err != io.EOF {
		s.dropLocked(fmt.Sprintf("file %s cannot be read: %v", c.Files()[r.File].Name, err))
		return []byte{respondGone}
	}
	binary.BigEndian.PutUint32(response[1:], sumOf(r, chunk))
	return response
}

// expire removes a snapshot that no node asks for.
func (s *Server) expire() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.dropLocked("no node asks for it")
}

func (s *Server) dropLocked(reason string) {
	c := s.current
	if c == nil {
		return
	}
	s.current = nil
	s.idle.Stop()
	s.Logger.Info("the snapshot is removed", "snapshot", c.id, "because", reason)
	if err := c.Close(); err != nil {
		s.Logger.Warn("the snapshot cannot be removed, the next start does that", "error", err)
	}
	s.releaseLater()
}

func (s *Server) holdLocked() {
	if s.held != nil {
		s.held.Stop()
	}
	s.Hold()
}

// releaseLater lets the log be trimmed again once the nodes that fetched the snapshot have
// had the time to open it.
func (s *Server) releaseLater() {
	s.held = time.AfterFunc(holdFor, func() {
		s.mu.Lock()
		defer s.mu.Unlock()
		if s.current == nil {
			s.Release()
		}
	})
}

func (s *Server) close() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.closed = true
	s.dropLocked("the node is closed")
	if s.held != nil {
		s.held.Stop()
	}
}
