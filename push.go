package wirepost

import (
	"context"
	"fmt"
	"slices"
	"time"
	"unicode/utf8"

	"github.com/wirepost/wirepost/engine"
	"github.com/wirepost/wirepost/internal/access"
	"github.com/wirepost/wirepost/internal/callback"
	"github.com/wirepost/wirepost/internal/fault"
	"github.com/wirepost/wirepost/internal/names"
	"github.com/wirepost/wirepost/internal/payload"
	"github.com/wirepost/wirepost/internal/session"
	"github.com/wirepost/wirepost/internal/trace"
	"github.com/wirepost/wirepost/internal/wire"
)

const maxID = 128 // bytes, of ID and Key

func init() {
	payload.NewPush = func(d payload.Data) Push {
		return Push{Data: d.Bytes(), ContentType: d.ContentType(), checked: true}
	}
}

// Push stores a message and notifies the subscribers. On return, a message to a durable
// channel is on disk. If ctx is done, nothing is stored. The error is an *Error:
// CodeBadRequest and CodeTooLarge for an invalid push, CodeUnavailable if the store
// accepts no writes now.
func (s *Server) Push(ctx context.Context, p Push) (PushResult, error) {
	out := s.PushEach(ctx, []Push{p})
	return out[0].PushResult, out[0].Err
}

// PushAll pushes several messages, in order. It checks all of them first: if one is
// invalid, none is stored. The text of the error begins with the index of the push, "pushes[3]: ",
// and errors.As finds the *Error.
func (s *Server) PushAll(ctx context.Context, pushes []Push) ([]PushResult, error) {
	entries := make([]engine.Entry, len(pushes))
	out := make([]BatchResult, len(pushes))
	spans := s.beginPushes(ctx, pushes, entries)
	for i := range pushes {
		if err := s.prepareOne(entries, pushes, i); err != nil {
			err = inBatch(i, err)
			spans.fail(err)
			return nil, err
		}
	}
	s.store(ctx, entries, out)
	spans.end(out)
	pushed := make([]PushResult, len(out))
	for i, o := range out {
		if o.Err != nil {
			return nil, inBatch(i, o.Err)
		}
		pushed[i] = o.PushResult
	}
	return pushed, nil
}

// inBatch is the error of the push with an index, as PushAll returns it.
func inBatch(i int, err error) error { return fmt.Errorf("pushes[%d]: %w", i, err) }

// PushEach pushes several messages, in order. An error of one is in its BatchResult and
// does not affect the others.
func (s *Server) PushEach(ctx context.Context, pushes []Push) []BatchResult {
	entries := make([]engine.Entry, len(pushes))
	out := make([]BatchResult, len(pushes))
	spans := s.beginPushes(ctx, pushes, entries)
	for i := range pushes {
		out[i].Err = s.prepareOne(entries, pushes, i)
	}
	s.store(ctx, entries, out)
	spans.end(out)
	return out
}

// prepareOne prepares one push of many. Data that is the previous one's, as when a
// message goes to many channels, is not checked again.
func (s *Server) prepareOne(entries []engine.Entry, pushes []Push, i int) error {
	var known []byte
	if i > 0 && sameData(&pushes[i], &pushes[i-1]) {
		known = entries[i-1].Data // nil if that push was refused
	}
	return s.prepare(&entries[i], &pushes[i], known)
}

func sameData(a, b *Push) bool {
	return len(a.Data) > 0 && len(a.Data) == len(b.Data) && &a.Data[0] == &b.Data[0] &&
		a.ContentType == b.ContentType && a.Raw == b.Raw
}

// store appends the entries whose outcome has no error yet, to the log that keeps
// their channel.
func (s *Server) store(ctx context.Context, entries []engine.Entry, out []BatchResult) {
	var room [8]int                         // enough for few pushes
	durable, memory := room[:0], []int(nil) // indexes
	if len(entries) > len(room) {
		durable = make([]int, 0, len(entries))
	}
	for i := range entries {
		switch {
		case out[i].Err != nil:
		case ctx.Err() != nil:
			out[i].Err = AsError(context.Cause(ctx))
		case s.draining.Load():
			out[i].Err = errDraining
		case s.host.Policies.MemoryOnly(entries[i].Channel) && !entries[i].Bare:
			memory = append(memory, i)
		default:
			durable = append(durable, i)
		}
	}
	s.appendTo(ctx, s.engine, entries, out, durable)
	if slices.ContainsFunc(durable, func(i int) bool { return entries[i].Bare }) {
		s.scheduled.Wake()
	}
	s.appendTo(ctx, s.memory, entries, out, memory)
}

// appendTo appends the entries with the given indexes to one log.
func (s *Server) appendTo(ctx context.Context, log engine.Log, entries []engine.Entry, out []BatchResult, indexes []int) {
	if len(indexes) == 0 {
		return
	}
	batch := entries
	if len(indexes) < len(entries) {
		batch = make([]engine.Entry, len(indexes))
		for i, k := range indexes {
			batch[i] = entries[k]
		}
	}
	begun := time.Now()
	results, err := log.Append(ctx, batch)
	s.host.Counters.Appends.Observe(time.Since(begun))
	s.traceAppend(batch, results, begun, err)
	stored := 0
	for i, k := range indexes {
		switch {
		case err != nil:
			out[k].Err = appendError(entries[k].Channel, err)
		case results[i].Err != nil:
			out[k].Err = appendError(entries[k].Channel, results[i].Err)
		default:
			out[k].PushResult = s.pushed(&batch[i], &results[i])
			if !results[i].Duplicate && !batch[i].Bare {
				stored++
			}
		}
	}
	s.host.Counters.Pushes.Add(uint64(stored))
}

func appendError(channel string, err error) error {
	return AsError(fmt.Errorf("append to %q: %w", channel, err))
}

func (s *Server) pushed(in *engine.Entry, r *engine.Result) PushResult {
	channel := in.Channel
	if in.Bare {
		return scheduled(in, r)
	}
	online := s.host.Feeds.Connections(channel) + s.elsewhere(channel)
	if online == 0 {
		s.hintInbox(channel)
	}
	return PushResult{To: channel, ID: r.ID, Seq: r.Seq, Duplicate: r.Duplicate, Online: online}
}

// hintInbox logs once that a user's ID is not the name of the user's inbox. A push to
// the channel "42" is valid, but user 42 does not receive it. A channel without a user of its
// name may be meant, except while somebody tries the server.
func (s *Server) hintInbox(channel string) {
	if _, inbox := names.InboxUser(channel); inbox || s.hinted.Load() {
		return
	}
	if len(s.host.Users.ConnsOf(channel)) > 0 && s.hinted.CompareAndSwap(false, true) {
		s.logger.Warn("a push went to a channel that has no subscribers and the name of a connected user; logged once",
			"channel", channel, "inbox", InboxOf(channel))
	}
	if s.opts.LogRefusals && names.LikeUser(channel) && s.hinted.CompareAndSwap(false, true) {
		s.logger.Warn("a push went to a channel that has no subscribers and looks like a user's ID; logged once",
			"channel", channel, "inbox", InboxOf(channel))
	}
}

// prepare checks a push and makes the entry of it. Known is the data as it is
// stored, where that has been settled already.
func (s *Server) prepare(e *engine.Entry, p *Push, known []byte) error {
	if err := checkTo(p.To); err != nil {
		return err
	}
	switch {
	case len(p.Data) > s.opts.MaxMessage:
		return &Error{
			Code: CodeTooLarge, Field: "data",
			Message: fmt.Sprintf("the data has %d bytes, more than %d", len(p.Data), s.opts.MaxMessage),
		}
	case p.TTL < 0:
		return fieldError("ttl", "a time to live is above zero")
	case p.TTL > 0 && p.TTL < time.Millisecond:
		return fieldError("ttl", "the shortest time to live is 1ms")
	}
	if err := checkText("id", p.ID); err != nil {
		return err
	}
	if err := checkText("key", p.Key); err != nil {
		return err
	}
	if _, ok := trace.Parse(p.TraceParent); p.TraceParent != "" && !ok {
		return fieldError("traceparent", "it is not a trace context such as 00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01")
	}
	data := known
	switch {
	case p.checked:
		data = p.Data
	case known == nil:
		checked, err := checkData(p)
		if err != nil {
			return err
		}
		data = checked.Bytes()
	}
	policy := s.host.Policies.Of(p.To)
	*e = engine.Entry{
		Channel: p.To, ID: p.ID, Idempotent: p.ID != "", Key: p.Key, ContentType: p.ContentType,
		TTL: p.TTL, Data: data, Limits: policy.Limits(), Trace: e.Trace,
	}
	if e.ContentType == "" {
		e.ContentType = wire.JSONType
	}
	if e.ID == "" {
		e.ID = names.NewMessageID()
	}
	if policy.Escalation != nil || p.Escalate != nil || p.Until != "" || p.Notification != nil {
		if err := s.escalate(e, p, policy.Escalation); err != nil {
			return err
		}
	}
	if !p.At.IsZero() || p.Delay != 0 {
		return s.schedule(e, p)
	}
	return nil
}

// checkTo checks the channel of a push.
func checkTo(channel string) error {
	if err := CheckChannel(channel); err != nil {
		return fieldError("to", "%s", AsError(err).Message)
	}
	return nil
}

func checkData(p *Push) (payload.Data, error) {
	t, err := payload.ParseType("content_type", p.ContentType)
	if err != nil {
		return payload.Data{}, public(err)
	}
	d, err := t.Check(p.Data, p.Raw)
	return d, public(err)
}

func checkText(field, value string) error {
	switch {
	case len(value) > maxID:
		return fieldError(field, "%d bytes, more than %d", len(value), maxID)
	case !utf8.ValidString(value):
		return fieldError(field, "not valid UTF-8")
	}
	for _, r := range value {
		if r < ' ' || r == 0x7f {
			return fieldError(field, "control characters are not allowed")
		}
	}
	return nil
}

// publish is a push by a client.
func (s *Server) publish(ctx context.Context, ses session.Describer, id *access.Identity, pub session.Publication) (session.Published, error) {
	p := Push{To: pub.Channel, ID: pub.ID, Key: pub.Key, ContentType: pub.ContentType, Data: pub.Data}
	if err := CheckChannel(p.To); err != nil {
		return session.Published{}, fault.Field("to", "%s", AsError(err).Message)
	}
	if err := s.host.Policies.MayPublish(id, p.To); err != nil {
		return session.Published{}, err
	}
	entries, out := make([]engine.Entry, 1), make([]BatchResult, 1)
	if err := s.prepare(&entries[0], &p, nil); err != nil {
		return session.Published{}, internalError(err)
	}
	if s.host.Policies.PublishHook(p.To) {
		if err := s.askPublish(ctx, ses, id, &p, &entries[0]); err != nil {
			return session.Published{}, internalError(err)
		}
	}
	entries[0].From = id.User
	s.store(ctx, entries, out)
	stored := out[0]
	return session.Published{ID: stored.ID, Seq: stored.Seq, Duplicate: stored.Duplicate}, internalError(stored.Err)
}

// askPublish asks the application about a push by a client, and makes the entry of what
// it made of it.
func (s *Server) askPublish(ctx context.Context, ses session.Describer, id *access.Identity, p *Push, e *engine.Entry) error {
	from, changed := newSession(ses.Info()), *p
	from.Data, changed.Data, changed.ContentType = id.Data, e.Data, e.ContentType
	var err error
	if p := callback.Guard(s.logger, "OnPublish", ses.Info().User, func() { err = s.opts.OnPublish(ctx, from, &changed) }); p != nil {
		return p
	}
	changed.To, changed.ID = p.To, p.ID
	if err == nil {
		if bad := s.prepare(e, &changed, nil); bad != nil {
			err = fmt.Errorf("the message that it made: %s", bad) // not wrapped: it is not the client's mistake
		}
	}
	return callback.Refusal(ctx, s.logger, "OnPublish", "this message", internalError(err))
}

// Revoke removes a message and notifies everyone who received it, offline users
// included. The error is ErrNotFound if there is no such live message.
func (s *Server) Revoke(ctx context.Context, channel string, seq uint64) (PushResult, error) {
	if err := CheckChannel(channel); err != nil {
		return PushResult{}, err
	}
	if seq == 0 {
		return PushResult{}, Errorf(CodeNotFound, "no such message")
	}
	entries, out := make([]engine.Entry, 1), make([]BatchResult, 1)
	entries[0] = engine.Entry{Channel: channel, Revokes: seq, Limits: s.host.Policies.Of(channel).Limits()}
	s.store(ctx, entries, out)
	return out[0].PushResult, out[0].Err
}
