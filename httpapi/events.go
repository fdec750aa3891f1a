package httpapi

import (
	"bytes"
	"context"
	"encoding/json"
	"math"
	"mime"
	"net/http"
	"strconv"
	"strings"
	"time"

	"github.com/wirepost/wirepost"
	"github.com/wirepost/wirepost/httpapi/internal/parse"
)

const (
	// maxWait is the longest wait for events, as that of a client that polls.
	maxWait = time.Minute
	// commentEvery is the time between the comments that keep an idle stream open.
	commentEvery = 15 * time.Second
)

// eventList is a response to GET /v1/events, in the form of webhooks.
type eventList struct {
	Events []wirepost.Event `json:"events"`
	Next   uint64           `json:"next"`
}

// events is GET /v1/events: a page, if need be after a wait, or a stream.
func (a *api) events(w http.ResponseWriter, r *request) error {
	after, err := r.number("after", 0, 0, math.MaxUint64)
	if err != nil {
		return err
	}
	limit, err := r.number("limit", defaultLimit, 1, maxLimit)
	if err != nil {
		return err
	}
	wait, err := r.wait()
	if err != nil {
		return err
	}
	streams := acceptsStream(r.Header)
	if id := r.Header.Get("Last-Event-ID"); streams && id != "" {
		if after, err = strconv.ParseUint(id, 10, 64); err != nil {
			return parse.BadRequest("Last-Event-ID", "%q is not the ID of an event, which is its sequence", parse.Shorten(id))
		}
	}
	list, next, err := a.srv.ReadEvents(r.Context(), after, int(limit))
	if err != nil {
		return err
	}
	if (len(list) == 0 || next == 0) && !a.srv.EventsWritten() {
		return wirepost.Errorf(wirepost.CodeNotFound,
			"there are no events, and none are written: the setting events of the configuration file, or --events-types, says which are")
	}
	if streams {
		return a.streamEvents(w, r, after)
	}
	if len(list) == 0 && wait > 0 {
		if list, next, err = a.awaitEvents(w, r, next, int(limit), wait); err != nil {
			return err
		}
	}
	return writeJSON(w, http.StatusOK, eventList{list, next})
}

// wait reads the query parameter wait.
func (r *request) wait() (time.Duration, error) {
	if !r.query.Has("wait") {
		return 0, nil
	}
	text := r.query.Get("wait")
	wait, err := time.ParseDuration(text)
	if _, notNumber := strconv.ParseFloat(text, 64); notNumber == nil {
		wait, err = time.ParseDuration(text + "s")
	}
	if err != nil || wait < 0 {
		return 0, parse.BadRequest("wait", "%q is not a duration such as 25s or a number of seconds", parse.Shorten(text))
	}
	return min(wait, maxWait), nil
}

// acceptsStream reports whether a request asks for Server-Sent Events.
func acceptsStream(h http.Header) bool {
	for _, line := range h.Values("Accept") {
		for part := range strings.SplitSeq(line, ",") {
			if t, _, err := mime.ParseMediaType(part); err == nil && t == streamType {
				return true
			}
		}
	}
	return false
}

const streamType = "text/event-stream"

// whileServed returns a context that also ends when the server begins to shut down.
func (a *api) whileServed(ctx context.Context) (context.Context, context.CancelFunc) {
	ctx, cancel := context.WithCancel(ctx)
	if a.draining != nil {
		go func() {
			select {
			case <-a.draining:
				cancel()
			case <-ctx.Done():
			}
		}()
	}
	return ctx, cancel
}

// awaitEvents waits for the first event after a sequence. The list is empty when the wait
// is over.
func (a *api) awaitEvents(w http.ResponseWriter, r *request, after uint64, limit int, wait time.Duration) ([]wirepost.Event, uint64, error) {
	http.NewResponseController(w).SetWriteDeadline(time.Now().Add(wait + stallTime)) //nolint:errcheck // then the server's own holds
	ctx, cancel := a.whileServed(r.Context())
	defer cancel()
	ctx, stop := context.WithTimeout(ctx, wait)
	defer stop()
	for _, err := range a.srv.FollowEvents(ctx, after) {
		if err != nil {
			break // also the end of the wait: then the list is empty
		}
		return a.srv.ReadEvents(r.Context(), after, limit)
	}
	return []wirepost.Event{}, after, nil
}

// streamEvents sends events as they are written, until the client leaves or the server is
// shut down.
func (a *api) streamEvents(w http.ResponseWriter, r *request, after uint64) error {
	ctx, cancel := a.whileServed(r.Context())
	defer cancel()
	setType(w, streamType)
	w.Header().Set("Cache-Control", "no-store, no-transform")
	w.Header().Set("X-Accel-Buffering", "no") // nginx would buffer the response
	found := a.followEvents(ctx, after)
	defer func() {
		cancel()
		for range found { //nolint:revive // it waits for the goroutine
		}
	}()
	comments := time.NewTicker(commentEvery)
	defer comments.Stop()
	out := bytes.NewBufferString(": connected\n\n")
	for flushStream(w, out) {
		select {
		case e, ok := <-found:
			if !ok {
				return nil
			}
			appendEvent(out, e)
			appendReady(out, found)
		case <-comments.C:
			out.WriteString(":\n\n")
		}
	}
	return nil
}

// followEvents returns a channel of the events after a sequence. It is closed when ctx is
// canceled or the log cannot be read.
func (a *api) followEvents(ctx context.Context, after uint64) <-chan wirepost.Event {
	found := make(chan wirepost.Event)
	go func() {
		defer close(found)
		for e, err := range a.srv.FollowEvents(ctx, after) {
			if err != nil {
				return
			}
			select {
			case found <- e:
			case <-ctx.Done():
				return
			}
		}
	}()
	return found
}

// appendReady writes the events for which there is no need to wait, up to the size of a chunk.
func appendReady(out *bytes.Buffer, found <-chan wirepost.Event) {
	for out.Len() < listChunk {
		select {
		case e, ok := <-found:
			if !ok {
				return
			}
			appendEvent(out, e)
		default:
			return
		}
	}
}

// appendEvent writes an event of a stream. Its ID is the sequence.
func appendEvent(out *bytes.Buffer, e wirepost.Event) {
	data, err := json.Marshal(e)
	if err != nil {
		panic(err) // it has only texts and numbers
	}
	out.WriteString("id: ")
	out.Write(strconv.AppendUint(out.AvailableBuffer(), e.Seq, 10))
	out.WriteString("\ndata: ")
	out.Write(data)
	out.WriteString("\n\n")
}

// flushStream sends what is in the buffer, and reports whether the client takes it.
func flushStream(w http.ResponseWriter, out *bytes.Buffer) bool {
	control := http.NewResponseController(w)
	control.SetWriteDeadline(time.Now().Add(stallTime)) //nolint:errcheck // then the server's own holds
	_, err := w.Write(out.Bytes())
	out.Reset()
	return err == nil && control.Flush() == nil
}
