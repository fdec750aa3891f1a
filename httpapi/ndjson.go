package httpapi

import (
	"bytes"
	"context"
	"errors"
	"io"
	"net/http"
	"os"
	"sync"
	"sync/atomic"
	"time"

	"github.com/wirepost/wirepost"
	"github.com/wirepost/wirepost/httpapi/internal/parse"
)

// A bulk push is a stream of lines, each a push as POST /v1/push takes it, and a
// stream of results, one line for every line in the same order. Blank lines are
// passed over. Two goroutines share the work:
//
//	read   the handler's own: reads lines, parses them, gathers them in a batch
//	write  takes the batch, pushes it, writes the results; meanwhile read gathers
//	       the next batch
//
// So a batch is what arrived during the commit of the previous one, up to a bound; then
// read waits, and with it the client. A client that does not read its results blocks
// write, and in the same way itself.
//
// A short body of known length is not a stream: it is read to its end before anything is
// pushed. So it is one batch, with one commit and one write, also when it arrives in
// pieces. A proxy that cannot send a request while it receives the response, which most
// cannot over HTTP/1.1, does not have to.

// The bounds of a batch. One line is always allowed, whatever it holds.
const (
	batchPushes = 1024
	batchBytes  = 1 << 20
	// wakeLines is how many lines wake write although read has more.
	wakeLines = 128
	// shortBody is the longest body that is read to its end first. client.Backend sends
	// such bodies.
	shortBody = 256 << 10
)

// idleStream is how long a client may keep a stream open without a line. Then the stream
// ends as if it were complete; see brokeOff for other ends.
const idleStream = 5 * time.Minute

// pushLines is POST /v1/push with NDJSON.
func (a *api) pushLines(w http.ResponseWriter, r *request) error {
	if err := a.srv.Ready(); err != nil {
		return err
	}
	if err := a.begin(streamSize); err != nil {
		return err
	}
	defer a.memory.release(streamSize)
	rc := http.NewResponseController(w)
	if err := beginStream(w, r, rc); err != nil {
		return err
	}
	short := r.ContentLength >= 0 && r.ContentLength <= shortBody
	if short {
		rc.SetReadDeadline(bodyDeadline(time.Now(), r.ContentLength)) //nolint:errcheck // then there is no deadline
	} else {
		w.WriteHeader(http.StatusOK)
		if err := rc.Flush(); err != nil {
			return nil // the peer is gone
		}
	}
	buffers := bulkPool.Get().(*bulkBuffers)
	b := &bulk{
		// Lines that were read completely are pushed even if the client is gone.
		api: a, ctx: context.WithoutCancel(r.pushContext()), w: w, rc: rc, pace: r.key.pace, short: short,
		wake: make(chan struct{}, 1), room: make(chan struct{}, 1), done: make(chan struct{}),
		filling: &buffers.batches[0], out: buffers.out,
	}
	go b.writeResults(&buffers.batches[1])
	lines := newLineReader(r.Body, buffers.line, a.maxJSON, b.await, b.grow)
	whole := b.read(lines)
	b.end()
	<-b.done
	a.memory.release(b.held.Load())
	if !whole {
		closeAfter(w)
	}
	if b.panicked != nil {
		panic(b.panicked) // in the handler's goroutine it ends only this request
	}
	buffers.free(lines.buf, b.out)
	rc.SetWriteDeadline(time.Now().Add(stallTime)) //nolint:errcheck // for the end
	return nil
}

// beginStream prepares a request whose results may be written while its body is read. It may
// take longer than any timeout of the server: read and write set deadlines of their own.
func beginStream(w http.ResponseWriter, r *request, rc *http.ResponseController) error {
	if r.ProtoMajor == 1 {
		if err := rc.EnableFullDuplex(); err != nil {
			return err
		}
	}
	expectContinue(w, r)
	rc.SetWriteDeadline(time.Now().Add(stallTime)) //nolint:errcheck // then there is no deadline
	setType(w, ndjsonType)
	w.Header().Set("X-Accel-Buffering", "no") // nginx would hold back results that the sender waits for
	return nil
}

// bulk is one bulk push in progress.
type bulk struct {
	// Static.
	api   *api
	ctx   context.Context
	rc    *http.ResponseController
	pace  *pace         // of the key
	short bool          // read to the end of the body before anything is pushed
	wake  chan struct{} // of writeResults: there are lines, or ended is true
	room  chan struct{} // of read: the batch was taken
	done  chan struct{} // closed when writeResults has returned

	panicked any // set by writeResults; read after done is closed

	held atomic.Int64 // memory, beyond streamSize

	w   http.ResponseWriter // owned by writeResults
	out []byte              // owned by writeResults

	mu      sync.Mutex
	filling *batch // guarded by mu
	ended   bool   // guarded by mu: nothing more is added
	stopped bool   // guarded by mu: nothing more is read

	lineStart time.Time // owned by read: of a line that has begun; zero: none has
}

// batch is a sequence of lines.
type batch struct {
	lines  []line
	pushes []wirepost.Push // of all lines that are good
	bytes  int             // of their data

	size, held int64 // the memory it uses, and the memory reserved for it
}

// line is what writeResults has to know about a line.
type line struct {
	err     error      // the line is bad; it has no pushes
	targets *targetSet // of a list; nil: it has one push
}

func (b *batch) full() bool {
	return len(b.pushes) >= batchPushes || len(b.lines) >= batchPushes || b.bytes >= batchBytes
}

func (b *batch) reset() {
	clear(b.lines)
	clear(b.pushes)
	*b = batch{lines: b.lines[:0], pushes: b.pushes[:0]}
}

// read reads lines to the end of the body, or until writeResults has stopped. It reports
// whether it reached the end of the body.
func (b *bulk) read(lines *lineReader) (whole bool) {
	var f parse.Push
	for {
		text, err := lines.next()
		begun := b.short || !b.lineStart.IsZero()
		b.lineStart = time.Time{}
		switch {
		case errors.Is(err, errLongLine):
			err = parse.TooLarge("", "the line has more than %d bytes", b.api.maxJSON)
			if !b.add(line{err: err}, nil, wirepost.Push{}) {
				return false
			}
		case errors.Is(err, errNoRoom):
			if !b.add(line{err: errOverload}, nil, wirepost.Push{}) {
				return false
			}
		case errors.Is(err, io.EOF):
			return true
		case err != nil:
			if b.brokeOff(err, begun) {
				b.add(line{err: brokenBody(err)}, nil, wirepost.Push{}) // the last result
			}
			return false
		case len(bytes.TrimSpace(text)) == 0:
		case !b.addLine(&f, text):
			return false
		}
	}
}

// brokeOff reports whether a body that cannot be read further is not complete: its encoding is
// broken, or it took too long after it had begun a line. A stream without a line, and one that
// writeResults has stopped, end as if they were complete.
func (b *bulk) brokeOff(err error, begun bool) bool {
	b.mu.Lock()
	stopped := b.stopped
	b.mu.Unlock()
	if stopped {
		return false
	}
	if !errors.Is(err, os.ErrDeadlineExceeded) {
		return true
	}
	if begun {
		b.api.srv.CountRefusal(refusedSlow)
	}
	return begun
}

// addLine parses a line and adds it to the batch.
func (b *bulk) addLine(f *parse.Push, text []byte) bool {
	p, err := f.Parse(text, b.api.maxData)
	switch {
	case err != nil:
		return b.add(line{err: err}, nil, p)
	case len(f.To) == 1:
		return b.slowDown(1) && b.add(line{}, f.To, p)
	}
	t := newTargets(f.To)
	return b.slowDown(len(t.names)) && b.add(line{targets: &t}, t.names, p)
}

// slowDown waits until the key may push n more messages. False means that writeResults
// has stopped.
func (b *bulk) slowDown(n int) bool {
	delay := b.pace.reserve(n)
	if delay <= 0 {
		return true
	}
	b.flush()
	timer := time.NewTimer(delay)
	defer timer.Stop()
	select {
	case <-timer.C:
	case <-b.api.draining: // lines that were read are still pushed
	case <-b.done:
		return false
	}
	return true
}

// await is called before read has to wait for more of the body.
func (b *bulk) await(pending int) {
	if b.short {
		return // pushLines has set the deadline
	}
	b.flush()
	now := time.Now()
	deadline := now.Add(idleStream)
	switch {
	case pending == 0:
	case b.lineStart.IsZero():
		b.lineStart = now
		fallthrough
	default:
		deadline = bodyDeadline(b.lineStart, int64(pending))
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	if !b.stopped {
		b.rc.SetReadDeadline(deadline) //nolint:errcheck // then there is no deadline
	}
}

// add adds a line to the batch when there is room. False means that writeResults has
// stopped.
func (b *bulk) add(l line, to []string, p wirepost.Push) bool {
	size := int64(len(p.Data) + pushSize*(1+len(to)))
	b.mu.Lock()
	for b.filling.full() || !b.fitsLocked(size) {
		b.mu.Unlock()
		notify(b.wake)
		select {
		case <-b.room:
		case <-b.done:
			return false
		}
		b.mu.Lock()
	}
	defer b.mu.Unlock()
	for _, p.To = range to {
		b.filling.pushes = append(b.filling.pushes, p)
	}
	b.filling.lines = append(b.filling.lines, l)
	b.filling.bytes += len(p.Data)
	if !b.short && len(b.filling.lines)%wakeLines == 0 {
		notify(b.wake)
	}
	return true
}

// flush wakes writeResults if there are lines. It is called before read has to wait.
func (b *bulk) flush() {
	b.mu.Lock()
	waiting := len(b.filling.lines) > 0
	b.mu.Unlock()
	if waiting {
		notify(b.wake)
	}
}

func (b *bulk) end() {
	b.mu.Lock()
	b.ended = true
	b.mu.Unlock()
	notify(b.wake)
}

func notify(c chan<- struct{}) {
	select {
	case c <- struct{}{}:
	default: // it was notified already
	}
}
