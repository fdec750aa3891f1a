package gateway

import (
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/wirepost/wirepost/internal/access"
	"github.com/wirepost/wirepost/internal/codec"
	"github.com/wirepost/wirepost/internal/cursor"
	"github.com/wirepost/wirepost/internal/fault"
	"github.com/wirepost/wirepost/internal/names"
	"github.com/wirepost/wirepost/internal/session"
)

// plan checks the parts of the request that do not need the store.
func (g *Gateway) plan(
	r *http.Request, from session.Address, connection names.ConnectionID, m codec.Mode, query url.Values, id *access.Identity,
) (*session.Plan, error) {
	// The name may be a substring of the request, which must not be kept in memory for it.
	id.Device = strings.Clone(id.Device)
	agent := r.UserAgent()
	p := &session.Plan{
		Identity: id, Mode: m, Address: from, Connection: connection, Now: g.host.Clock.Now(),
		Agent: strings.ToValidUTF8(agent[:min(len(agent), maxAgent)], ""), Values: r.Context(),
	}
	if m == codec.Plain {
		p.Protocol = g.chooseSubprotocol(r)
	}
	if err := g.readQuery(p, query); err != nil {
		return nil, err
	}
	if err := g.readCursor(p, r, query); err != nil {
		return nil, err
	}
	return p, nil
}

// maxAgent limits the part of a User-Agent header that is kept, in bytes.
const maxAgent = 200

// parameters are those that must not be given twice.
var parameters = [...]string{
	"token", "device", "channels", "after", "min_seq", "last_event_id", "lastEventId", "lastEventID", "wait", "hello",
}

// parseQuery is not inlined because the map would then be on the caller's stack, and
// make it grow.
//
//go:noinline
func parseQuery(r *http.Request) (url.Values, error) {
	query, err := url.ParseQuery(r.URL.RawQuery)
	if err != nil {
		return nil, fault.Field("query", "the query does not parse")
	}
	for _, name := range parameters {
		if len(query[name]) > 1 {
			return nil, fault.Field(name, "it is given twice")
		}
	}
	return query, nil
}

func (g *Gateway) readQuery(p *session.Plan, query url.Values) (err error) {
	device := query.Get("device")
	if err := names.CheckDevice(device); err != nil {
		return err
	}
	id := p.Identity
	if id.Device != "" && device != "" && device != id.Device {
		return &fault.Error{Code: fault.Forbidden, Field: "device", Message: fmt.Sprintf("this client is identified as device %q", id.Device)}
	}
	p.Device = strings.Clone(device)
	if id.Device != "" {
		p.Device = id.Device
	}
	if p.Requested, err = parseChannels(query.Get("channels")); err != nil {
		return err
	}
	p.Hello = p.Mode == codec.V1 || p.Mode.Codec().Objects() && query.Get("hello") == "1"
	return nil
}

// readCursor parses the position at which the session is to begin, if the client sends
// one.
func (g *Gateway) readCursor(p *session.Plan, r *http.Request, query url.Values) (err error) {
	after, inbox := query.Get("after"), names.Inbox(p.Identity.User)
	if p.MinSeq, err = parsePositions("min_seq", query.Get("min_seq"), inbox); err != nil {
		return err
	}
	if p.Mode == codec.Poll {
		if _, err := parseWait(query.Get("wait")); err != nil {
			return err
		}
		p.Cursor, err = g.parseCursor("after", after, inbox)
		return err
	}
	if after != "" {
		p.After, err = parsePositions("after", after, inbox)
	}
	if err != nil || p.Mode != codec.SSE {
		return err
	}
	if id := r.Header.Get("Last-Event-ID"); id != "" {
		p.Cursor, err = g.parseCursor("Last-Event-ID", id, inbox)
		return err
	}
	// Sent by the client of this repository, or by polyfills.
	for _, name := range []string{"last_event_id", "lastEventId", "lastEventID"} {
		if id := query.Get(name); id != "" {
			p.Cursor, err = g.parseCursor(name, id, inbox)
			return err
		}
	}
	return nil
}

// parseCursor parses the cursor of a client without a WebSocket.
func (g *Gateway) parseCursor(field, text, inbox string) (*cursor.Cursor, error) {
	if text == "" {
		return nil, nil
	}
	c, ok := cursor.Read(text, g.host.Epoch, inbox)
	if !ok {
		return nil, fault.Field(field, "this is not a cursor of this server")
	}
	return c, nil
}

// parseChannels parses ?channels=, a comma-separated list.
func parseChannels(list string) ([]string, error) {
	if list == "" {
		return nil, nil
	}
	channels := strings.Split(list, ",")
	for _, c := range channels {
		if err := names.CheckChannel(c); err != nil {
			return nil, fault.Field("channels", "%s", fault.As(err).Message)
		}
	}
	slices.Sort(channels)
	return slices.Compact(channels), nil
}

// parsePositions parses ?after= or ?min_seq=: a sequence for the inbox, or channel=seq,…
// where the last = of an entry separates the sequence.
func parsePositions(field, list, inbox string) (map[string]uint64, error) {
	if list == "" {
		return nil, nil
	}
	after := map[string]uint64{}
	for _, entry := range strings.Split(list, ",") {
		channel, number := inbox, entry
		if i := strings.LastIndexByte(entry, '='); i >= 0 {
			channel, number = entry[:i], entry[i+1:]
		}
		seq, err := strconv.ParseUint(number, 10, 64)
		if err != nil {
			return nil, fault.Field(field, "%q is not a sequence", number)
		}
		if _, twice := after[channel]; twice {
			return nil, fault.Field(field, "%q is named twice", channel)
		}
		after[channel] = seq
	}
	return after, nil
}

// The minimum, maximum and default wait of a poll.
const (
	defaultPollWait = 25 * time.Second
	maxPollWait     = time.Minute
)

// parseWait parses a duration, or a number of seconds.
func parseWait(text string) (time.Duration, error) {
	if text == "" {
		return defaultPollWait, nil
	}
	wait, err := time.ParseDuration(text)
	if _, notNumber := strconv.ParseFloat(text, 64); notNumber == nil {
		wait, err = time.ParseDuration(text + "s")
	}
	if err != nil || wait < 0 {
		return 0, fault.Field("wait", "%q is not a duration such as 25s or a number of seconds", text)
	}
	return min(wait, maxPollWait), nil
}
