package cluster

import (
	"context"
	"crypto/rand"
	"encoding/binary"
	"encoding/json"
	"fmt"
	"io"
	"slices"
	"sync"
	"time"

	"golang.org/x/time/rate"

	"github.com/wirepost/wirepost/engine"
)

const (
	// DefaultSnapshotRate is how many bytes a second a node sends of its snapshot.
	DefaultSnapshotRate = 32 << 20
	// snapshotIdle is how long a snapshot remains that no node asks for.
	snapshotIdle = time.Minute
	// snapshotShared is how old a snapshot may be when another node begins to fetch it.
	snapshotShared = 10 * time.Minute
	// holdFor is how long the log is kept for a node that has fetched a snapshot, until the
	// log knows it as a member.
	holdFor = time.Minute
	// snapshotTimeout limits the time to take a snapshot.
	snapshotTimeout = 20 * time.Second
)

// snapshots serves the snapshot of this node's replica, of which there is at most one.
//
// As long as it exists this node does not report to the log that it has later positions on
// its disk: the log is kept from the snapshot on, within the limits of Keep.
type snapshots struct {
	e      *Engine
	source engine.Snapshotter
	limit  *rate.Limiter // bytes

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

// serveSnapshots serves snapshots until stop is called. It does nothing if the replica has
// none.
func (e *Engine) serveSnapshots(bytesPerSecond int) (stop func(), err error) {
	source, ok := e.Replica.(engine.Snapshotter)
	if !ok {
		return func() {}, nil
	}
	if bytesPerSecond <= 0 {
		bytesPerSecond = DefaultSnapshotRate
	}
	s := &snapshots{e: e, source: source, limit: rate.NewLimiter(rate.Limit(bytesPerSecond), chunkBytes)}
	stopOffers, err := e.bus.Subscribe(offerTopic, s.offer)
	if err != nil {
		return nil, err
	}
	stopRequests, err := e.bus.Subscribe(snapshotTopic(e.node), s.respond)
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

// SnapshotsTaken returns how many snapshots this node has taken for others.
func (e *Engine) SnapshotsTaken() uint64 { return e.snapshotsTaken.Load() }

// decode decodes a request of another node of this cluster.
func (s *snapshots) decode(data []byte) *snapshotRequest {
	var r snapshotRequest
	if err := json.Unmarshal(data, &r); err != nil || r.Cluster != s.e.name || r.Node == s.e.node {
		return nil
	}
	return &r
}

// offer responds if this node can serve a snapshot.
func (s *snapshots) offer(data []byte) []byte {
	r := s.decode(data)
	if r == nil || slices.Contains(r.Except, s.e.node) || s.e.Ready() != nil || s.e.draining.Load() {
		return nil
	}
	return respondJSON(respondDone, snapshotOffer{s.e.node})
}

func (s *snapshots) respond(data []byte) []byte {
	r := s.decode(data)
	if r == nil {
		return append([]byte{respondError}, "the request is of another cluster, or of a node with the same name"...)
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	switch r.Op {
	case "begin":
		return s.beginLocked(r)
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

func (s *snapshots) beginLocked(r *snapshotRequest) []byte {
	if c := s.current; c != nil && time.Since(c.at) > snapshotShared {
		return respondJSON(respondWait, 5*time.Second) // an older one is still being fetched
	}
	if err := s.takeLocked(); err != nil {
		s.e.logger.Warn("no snapshot for another node", "for", r.Node, "error", err)
		return append([]byte{respondError}, err.Error()...)
	}
	c := s.current
	c.fetches[r.Fetch] = true
	s.idle.Reset(snapshotIdle)
	s.e.logger.Info("another node fetches a snapshot", "node", r.Node, "files", len(c.Files()), "snapshot", c.id)
	return respondJSON(respondDone, snapshotBegun{ID: c.id, ListBytes: int64(len(c.list))})
}

// takeLocked takes a snapshot if there is none.
func (s *snapshots) takeLocked() error {
	switch {
	case s.current != nil:
		return nil
	case s.closed:
		return engine.ErrClosed
	}
	if err := s.e.Ready(); err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(s.e.ctx, snapshotTimeout)
	defer cancel()
	s.holdLocked() // before: the snapshot has at least what is held
	taken, err := s.source.Snapshot(ctx)
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
	s.idle = time.AfterFunc(snapshotIdle, s.expire)
	s.e.snapshotsTaken.Add(1)
	return nil
}

func (s *snapshots) readLocked(r *snapshotRequest) []byte {
	c := s.current
	if c == nil || c.id != r.ID || !c.fetches[r.Fetch] {
		return []byte{respondGone}
	}
	s.idle.Reset(snapshotIdle)
	if err := s.e.Ready(); err != nil { // for example because the disk becomes full
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
		return respondJSON(respondWait, min(wait, snapshotIdle/4))
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
func (s *snapshots) expire() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.dropLocked("no node asks for it")
}

func (s *snapshots) dropLocked(reason string) {
	c := s.current
	if c == nil {
		return
	}
	s.current = nil
	s.idle.Stop()
	s.e.logger.Info("the snapshot is removed", "snapshot", c.id, "because", reason)
	if err := c.Close(); err != nil {
		s.e.logger.Warn("the snapshot cannot be removed, the next start does that", "error", err)
	}
	s.releaseLater()
}

func (s *snapshots) holdLocked() {
	if s.held != nil {
		s.held.Stop()
	}
	for _, sh := range s.e.shards {
		sh.hold()
	}
}

// releaseLater lets the log be trimmed again once the nodes that fetched the snapshot have
// had the time to open it.
func (s *snapshots) releaseLater() {
	s.held = time.AfterFunc(holdFor, func() {
		s.mu.Lock()
		defer s.mu.Unlock()
		if s.current == nil {
			for _, sh := range s.e.shards {
				sh.release()
			}
		}
	})
}

func (s *snapshots) close() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.closed = true
	s.dropLocked("the node is closed")
	if s.held != nil {
		s.held.Stop()
	}
}

// hold keeps the log from the present position on: until release the node does not report
// that it has more on its disk.
func (s *shard) hold() {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.held == nil {
		s.held = &extent{s.at, s.size}
	}
}

func (s *shard) release() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.held = nil
}
