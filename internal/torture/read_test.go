package torture

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"

	"github.com/gobwas/ws"
	"github.com/gobwas/ws/wsutil"
	"github.com/gorilla/websocket"

	"github.com/wirepost/wirepost/client"
)

// reader is one device, which reads in one way until the context is canceled.
type reader struct {
	*run
	device
	user   string
	random *rand.Rand
	once   func(*reader, context.Context) // one connection, or one response

	cursor string   // of SSE and polls: the cursor of the next request
	from   *session // the session of that cursor
	polls  *http.Client
	// connected is called for each connection, and possibly several times.
	connected func()
}

// loop connects repeatedly.
func (r *reader) loop(ctx context.Context) {
	for ctx.Err() == nil {
		r.once(r, ctx)
		wait(ctx, time.Duration(r.random.IntN(15))*time.Millisecond)
	}
}

// address is the URL of an endpoint, with the common parameters.
func (r *reader) address(scheme, path string, more url.Values) string {
	q := url.Values{"device": {r.device.name}, "token": {r.token(r.user)}}
	for name, v := range more {
		q[name] = v
	}
	return r.url(scheme) + path + "?" + q.Encode()
}

// refused reports a response that no fault explains.
func (r *reader) refused(status int) {
	if status != 0 && status != http.StatusOK && status != http.StatusSwitchingProtocols && status != http.StatusServiceUnavailable {
		r.fail("%s got the status %d", r.device.name, status)
	}
}

// frame is an object of wirepost.v1.
type frame struct {
	Type       string
	Channel    string
	Seq, Prev  uint64
	Data       json.RawMessage
	DataBase64 []byte `json:"data_base64"`
	After      uint64
	ResumedAt  uint64 `json:"resumed_at"`
	Message    string // of an error
}

// take records an object.
func (r *reader) take(s *session, text []byte) (f frame) {
	if err := json.Unmarshal(text, &f); err != nil {
		r.fail("%s: %v: %.200q", r.device.name, err, text)
		return f
	}
	switch f.Type {
	case "message":
		data := []byte(f.Data)
		var inner string
		if json.Unmarshal(data, &inner) == nil { // text travels as a string
			data = []byte(inner)
		}
		s.received(f.Channel, name(data), f.Seq, f.Prev)
	case "revoke":
		s.withdrawn(f.Channel, f.Seq)
	case "gap":
		s.gap(f.Channel, f.After, f.ResumedAt)
	case "error":
		r.fail("%s: error: %s", r.device.name, f.Message)
	}
	return f
}

// gorilla dials with that library; nil means that it failed.
func (r *reader) gorilla(ctx context.Context, protocols ...string) *websocket.Conn {
	d := websocket.Dialer{HandshakeTimeout: patience, Subprotocols: protocols, TLSClientConfig: r.tls}
	c, response, err := d.DialContext(ctx, r.address("ws", "/ws", nil), nil)
	if err != nil {
		if response != nil {
			r.refused(response.StatusCode)
		}
		return nil
	}
	return c
}

// acknowledging sends a ping after an acknowledgement: its pong proves that the server
// has received the acknowledgement.
func acknowledging(c *websocket.Conn, s *session, at int) error {
	return c.WriteControl(websocket.PingMessage, strconv.AppendInt(nil, int64(at), 10), time.Now().Add(patience))
}

func onPong(c *websocket.Conn, s *session) {
	c.SetPongHandler(func(text string) error {
		at, err := strconv.Atoi(text)
		if err == nil {
			s.acked(at)
		}
		return err
	})
}

// v1 speaks wirepost.v1. It leaves at random, with and without a close frame.
func (r *reader) v1(ctx context.Context) { r.speakV1(ctx, false) }

// stalling is v1 that stops reading now and then.
func (r *reader) stalling(ctx context.Context) { r.speakV1(ctx, true) }

func (r *reader) speakV1(ctx context.Context, stalls bool) {
	s := r.h.begin(r.device.name)
	c := r.gorilla(ctx, "wirepost.v1")
	if c == nil {
		return
	}
	defer c.Close()
	defer context.AfterFunc(ctx, func() { c.Close() })()
	s.connected()
	onPong(c, s)
	last := make(map[string]uint64)
	for n := 1; ; n++ {
		c.SetReadDeadline(time.Now().Add(patience)) //nolint:errcheck // the read fails
		_, text, err := c.ReadMessage()
		if err != nil {
			return
		}
		f := r.take(s, text)
		switch {
		case f.Type == "hello":
			r.connected()
		case f.Type == "message", f.Type == "revoke":
			last[f.Channel] = f.Seq
		}
		if n%8 == 0 || r.random.IntN(8) == 0 {
			at := s.acking()
			for channel, seq := range last {
				if c.WriteMessage(websocket.TextMessage, fmt.Appendf(nil, `{"type":"ack","channel":%q,"seq":%d}`, channel, seq)) != nil {
					return
				}
			}
			if acknowledging(c, s, at) != nil {
				return
			}
		}
		switch r.random.IntN(600) {
		case 0:
			return
		case 1:
			c.WriteControl(websocket.CloseMessage, websocket.FormatCloseMessage(1000, ""), time.Now().Add(patience)) //nolint:errcheck // it leaves anyway
			return
		case 2:
			if stalls {
				wait(ctx, time.Duration(r.random.IntN(1500))*time.Millisecond)
			}
		}
	}
}

// bare acts like a page with new WebSocket: it reads, and its library replies to pings.
func (r *reader) bare(ctx context.Context) {
	s := r.h.begin(r.device.name)
	c := r.gorilla(ctx)
	if c == nil {
		return
	}
	defer c.Close()
	defer context.AfterFunc(ctx, func() { c.Close() })()
	s.connected()
	r.connected()
	onPong(c, s)
	c.SetPingHandler(func(text string) error {
		deadline := time.Now().Add(patience)
		if !strings.HasPrefix(text, "c") { // a heartbeat, which acknowledges nothing
			return c.WriteControl(websocket.PongMessage, []byte(text), deadline)
		}
		at := s.acking()
		if err := c.WriteControl(websocket.PongMessage, []byte(text), deadline); err != nil {
			return err
		}
		return acknowledging(c, s, at)
	})
	for {
		c.SetReadDeadline(time.Now().Add(patience)) //nolint:errcheck // the read fails
		_, data, err := c.ReadMessage()
		if err != nil || r.random.IntN(600) == 0 {
			return
		}
		s.received("", name(data), 0, 0)
	}
}

// bareGobwas does the same with another library, frame by frame.
func (r *reader) bareGobwas(ctx context.Context) {
	s := r.h.begin(r.device.name)
	d := ws.Dialer{Timeout: patience, NetDial: new(net.Dialer).DialContext, TLSConfig: r.tls}
	c, early, _, err := d.Dial(ctx, r.address("ws", "/ws", nil))
	if err != nil {
		if status, ok := err.(ws.StatusError); ok {
			r.refused(int(status))
		}
		return
	}
	defer c.Close()
	defer context.AfterFunc(ctx, func() { c.Close() })()
	s.connected()
	r.connected()
	in := io.Reader(c)
	if early != nil {
		in = io.MultiReader(io.LimitReader(early, int64(early.Buffered())), c)
	}
	for {
		c.SetDeadline(time.Now().Add(patience)) //nolint:errcheck // the read fails
		f, err := ws.ReadFrame(in)
		if err != nil {
			return
		}
		switch f.Header.OpCode {
		case ws.OpText, ws.OpBinary:
			s.received("", name(f.Payload), 0, 0)
		case ws.OpPing:
			at := -1
			if strings.HasPrefix(string(f.Payload), "c") {
				at = s.acking()
			}
			if wsutil.WriteClientMessage(c, ws.OpPong, f.Payload) != nil {
				return
			}
			if at >= 0 && wsutil.WriteClientMessage(c, ws.OpPing, strconv.AppendInt(nil, int64(at), 10)) != nil {
				return
			}
		case ws.OpPong:
			if at, err := strconv.Atoi(string(f.Payload)); err == nil {
				s.acked(at)
			}
		case ws.OpClose:
			wsutil.WriteClientMessage(c, ws.OpClose, f.Payload) //nolint:errcheck // it is over
			return
		}
	}
}

// library is the Go client, one for the whole run unless it is disconnected: it manages its
// sessions, and delivers each message once.
func (r *reader) library(ctx context.Context) {
	s := r.h.begin(r.device.name)
	c, err := client.Dial(ctx, r.url("ws")+"/ws", client.Options{
		Token: client.StaticToken(r.token(r.user)), Device: r.device.name, TLSConfig: r.tls,
		MinWait: 2 * time.Millisecond, MaxWait: 50 * time.Millisecond,
		OnEvent: func(e client.Event) {
			switch e := e.(type) {
			case client.Gap:
				s.gap(e.Channel, e.After, e.ResumedAt)
			case client.Revoked:
				s.withdrawn(e.Channel, e.Seq)
			}
		},
	})
	if err != nil {
		if ctx.Err() == nil {
			r.fail("%s: %v", r.device.name, err)
		}
		return
	}
	defer c.Close()
	r.connected()
	for m, err := range c.Messages(ctx) {
		if closed := (*client.CloseError)(nil); errors.As(err, &closed) && closed.Code == 4409 {
			s.acking() // by the client itself
			return     // it was disconnected, and connects again
		}
		if err != nil {
			if ctx.Err() == nil {
				r.fail("%s: %v", r.device.name, err)
			}
			return
		}
		s.received(m.Channel, name(m.Data), m.Seq, m.Prev)
	}
}

// get requests the messages after the reader's cursor.
func (r *reader) get(ctx context.Context, hc *http.Client, address, header string) (*http.Response, *session) {
	at := 0
	if r.from != nil {
		at = r.from.acking()
	}
	s := r.h.begin(r.device.name)
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, address, nil)
	if err != nil {
		r.fail("%v", err)
		return nil, nil
	}
	if header != "" && r.cursor != "" {
		request.Header.Set(header, r.cursor)
	}
	response, err := hc.Do(request)
	if err != nil {
		return nil, nil
	}
	if r.refused(response.StatusCode); response.StatusCode != http.StatusOK {
		response.Body.Close()
		return nil, nil
	}
	if r.from != nil {
		r.from.acked(at)
	}
	return response, s
}

// events reads /sse like EventSource.
func (r *reader) events(ctx context.Context) {
	hc := &http.Client{Transport: r.transport()}
	defer hc.CloseIdleConnections()
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	response, s := r.get(ctx, hc, r.address("http", "/sse", nil), "Last-Event-ID")
	if response == nil {
		return
	}
	defer response.Body.Close()
	s.connected()
	r.connected()
	watch := time.AfterFunc(patience, cancel)
	defer watch.Stop()
	lines := bufio.NewReader(response.Body)
	id, data := "", ""
	for {
		line, err := lines.ReadString('\n')
		if err != nil {
			return
		}
		watch.Reset(patience)
		field, value, _ := strings.Cut(strings.TrimSuffix(line, "\n"), ": ")
		switch {
		case field == "id":
			id = value
		case field == "data":
			data = value
		case line == "\n" && data != "":
			r.take(s, []byte(data))
			if id != "" {
				r.cursor, r.from = id, s
			}
			id, data = "", ""
			if r.random.IntN(600) == 0 {
				return
			}
		}
	}
}

// poll polls once.
func (r *reader) poll(ctx context.Context) {
	if r.polls == nil {
		r.polls = &http.Client{Transport: r.transport()}
	}
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	more := url.Values{"wait": {"500ms"}}
	if r.cursor != "" {
		more["after"] = []string{r.cursor}
	}
	response, s := r.get(ctx, r.polls, r.address("http", "/poll", more), "")
	if response == nil {
		return
	}
	body, err := io.ReadAll(response.Body)
	response.Body.Close()
	var answer struct {
		Cursor   string
		Messages []json.RawMessage
	}
	if err != nil {
		return
	}
	if err := json.Unmarshal(body, &answer); err != nil {
		r.fail("%s: %v: %.200q", r.device.name, err, body)
		return
	}
	r.connected()
	for _, m := range answer.Messages {
		r.take(s, m)
	}
	r.cursor, r.from = answer.Cursor, s
}
