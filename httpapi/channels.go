package httpapi

import (
	"encoding/json"
	"errors"
	"math"
	"net/http"
	"strconv"
	"time"

	"github.com/wirepost/wirepost"
	"github.com/wirepost/wirepost/httpapi/internal/parse"
)

// The number of messages in a list.
const (
	defaultLimit = 100
	maxLimit     = 1000
)

// channel is GET /v1/channels/{channel}.
func (a *api) channel(w http.ResponseWriter, r *request) error {
	if err := wirepost.CheckChannel(r.channel); err != nil {
		return err
	}
	if err := a.await(r, r.channel); err != nil {
		return err
	}
	info, err := a.srv.Channel(r.Context(), r.channel)
	if err != nil {
		return err
	}
	return writeJSON(w, http.StatusOK, info)
}

// presence is GET /v1/channels/{channel}/presence.
func (a *api) presence(w http.ResponseWriter, r *request) error {
	p, err := a.srv.Presence(r.Context(), r.channel)
	if err != nil {
		return err
	}
	return writeJSON(w, http.StatusOK, p)
}

// minSeq is the query parameter with a sequence that this node must have reached.
const minSeq = "min_seq"

// await waits until this node has reached the sequence that a request requires.
func (a *api) await(r *request, channel string) error {
	if !r.query.Has(minSeq) {
		return nil
	}
	seq, err := r.number(minSeq, 0, 0, math.MaxUint64)
	if err != nil {
		return err
	}
	return a.srv.Await(r.Context(), channel, seq)
}

// empty is DELETE /v1/channels/{channel}.
func (a *api) empty(w http.ResponseWriter, r *request) error {
	if err := wirepost.CheckChannel(r.channel); err != nil {
		return err
	}
	if err := a.srv.Empty(r.Context(), r.channel); err != nil {
		return err
	}
	w.WriteHeader(http.StatusNoContent)
	return nil
}

// messages is GET /v1/channels/{channel}/messages.
func (a *api) messages(w http.ResponseWriter, r *request) error {
	if err := wirepost.CheckChannel(r.channel); err != nil {
		return err
	}
	return a.list(w, r, r.channel)
}

// list responds with messages of a channel.
func (a *api) list(w http.ResponseWriter, r *request, channel string) error {
	from, read := "after", a.srv.Messages
	if r.query.Has("before") {
		from, read = "before", a.srv.History
		if r.query.Has("after") {
			return parse.BadRequest("before", "a list begins after a sequence or before one, not both")
		}
	}
	seq, err := r.number(from, 0, 0, math.MaxUint64)
	if err != nil {
		return err
	}
	limit, err := r.number("limit", defaultLimit, 1, maxLimit)
	if err != nil {
		return err
	}
	if err := a.await(r, channel); err != nil {
		return err
	}
	messages, next, err := read(r.Context(), channel, seq, int(limit))
	if err != nil {
		return err
	}
	return writeList(w, messages, next)
}

// writeList writes a list message by message, so that a thousand of the longest are
// not in memory twice.
func writeList(w http.ResponseWriter, messages []wirepost.Message, next uint64) error {
	setType(w, jsonType)
	control := http.NewResponseController(w)
	out := getBuffer()
	defer putBuffer(out)
	out.WriteString(`{"messages":[`)
	for i := range messages {
		if i > 0 {
			out.WriteByte(',')
		}
		object, err := messages[i].MarshalJSON()
		if err != nil {
			panic(err) // it never fails
		}
		out.Write(object)
		if out.Len() < listChunk {
			continue
		}
		control.SetWriteDeadline(time.Now().Add(stallTime)) //nolint:errcheck // then the server's own holds
		if _, err := w.Write(out.Bytes()); err != nil {
			return nil // the peer is gone
		}
		out.Reset()
	}
	out.WriteString(`],"next":`)
	out.Write(strconv.AppendUint(out.AvailableBuffer(), next, 10))
	out.WriteByte('}')
	w.Write(out.Bytes()) //nolint:errcheck // the peer is gone
	return nil
}

// listChunk is how much of a list is written at once.
const listChunk = 32 << 10

// message is GET /v1/channels/{channel}/messages/{seq}.
func (a *api) message(w http.ResponseWriter, r *request) error {
	seq, err := r.sequence()
	if err != nil {
		return err
	}
	if err := a.await(r, r.channel); err != nil {
		return err
	}
	m, receipts, err := a.srv.Message(r.Context(), r.channel, seq)
	incomplete := errors.Is(err, wirepost.ErrIncomplete)
	if err != nil && !incomplete {
		return err
	}
	steps, err := a.srv.Escalation(r.Context(), r.channel, seq)
	if err != nil {
		return err
	}
	object, err := m.MarshalJSON()
	if err != nil {
		return err
	}
	if receipts == nil {
		receipts = []wirepost.Receipt{}
	}
	list, err := json.Marshal(receipts)
	if err != nil {
		return err
	}
	body := append([]byte(`{"message":`), object...)
	body = append(append(body, `,"receipts":`...), list...)
	if steps != nil {
		text, err := json.Marshal(steps)
		if err != nil {
			return err
		}
		body = append(append(body, `,"escalation":`...), text...)
	}
	if incomplete {
		body = append(body, `,"incomplete":true`...)
	}
	return writeBody(w, http.StatusOK, append(body, '}'))
}

// revoke is DELETE /v1/channels/{channel}/messages/{seq}.
func (a *api) revoke(w http.ResponseWriter, r *request) error {
	seq, err := r.sequence()
	if err != nil {
		return err
	}
	done, err := a.srv.Revoke(r.Context(), r.channel, seq)
	if err != nil {
		return err
	}
	return writeJSON(w, http.StatusOK, revoked{r.channel, done.Seq, seq, done.ID})
}

// revoked is the result of a revocation: its own sequence, and the sequence and ID of
// the message that it removed.
type revoked struct {
	Channel string `json:"channel"`
	Seq     uint64 `json:"seq"`
	Revoked uint64 `json:"revoked"`
	ID      string `json:"id"`
}

// sequence is the sequence in the path, of a message in the channel in the path.
func (r *request) sequence() (seq uint64, err error) {
	if err := wirepost.CheckChannel(r.channel); err != nil {
		return 0, err
	}
	seq, err = strconv.ParseUint(r.seq, 10, 64)
	switch {
	case err != nil:
		return 0, parse.BadRequest("seq", "%q is not a sequence: it must be an integer", parse.Shorten(r.seq))
	case seq == 0:
		return 0, wirepost.Errorf(wirepost.CodeNotFound, "no such message: sequences begin at 1")
	}
	return seq, nil
}
