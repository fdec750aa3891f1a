package crowd

import (
	"bytes"
	"fmt"
	"time"

	"github.com/wirepost/wirepost/internal/ws"
)

// client is one connection that uses the dialect of its server.
type client struct {
	crowd  *Crowd
	number int
	ready  bool
}

// Request implements crowd.Client.
func (c *client) Request() ([]byte, error) {
	d := &c.crowd.cfg.Dialect
	if d.Bare {
		c.ready = true
		return nil, nil
	}
	request := fmt.Appendf(nil, "GET %s HTTP/1.1\r\nHost: %s\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n"+
		"Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n",
		d.path(c.number), c.crowd.cfg.Address)
	if d.Protocol != "" {
		request = fmt.Appendf(request, "Sec-WebSocket-Protocol: %s\r\n", d.Protocol)
	}
	return append(request, "\r\n"...), nil
}

// Upgraded implements crowd.Client.
func (c *client) Upgraded(header, rest []byte, _ time.Time, out []byte) ([]byte, error) {
	if !bytes.HasPrefix(header, []byte("HTTP/1.1 101")) {
		return out, fmt.Errorf("the response to the upgrade is %q", append(header[:len(header):len(header)], rest...))
	}
	d := &c.crowd.cfg.Dialect
	c.ready = d.Ready == nil
	if d.Hello != "" {
		out = ws.AppendMasked(out, ws.OpText, []byte(d.Hello))
	}
	return out, nil
}

// Message implements crowd.Client: it counts messages, and handles other frames of
// the dialect.
func (c *client) Message(payload []byte, now time.Time, out []byte) []byte {
	if n := bytes.Count(payload, []byte{Marker}); n > 0 {
		c.crowd.count(c.number-c.crowd.cfg.First, n, now)
		return out
	}
	d := &c.crowd.cfg.Dialect
	if d.Received != nil {
		d.Received(c.number-c.crowd.cfg.First, payload)
	}
	if !c.ready && d.Ready != nil && d.Ready(payload) {
		c.ready = true
		return out
	}
	if d.Answer != nil {
		if answer := d.Answer(payload); answer != "" {
			return ws.AppendMasked(out, ws.OpText, []byte(answer))
		}
	}
	return out
}

// Ready implements crowd.Client.
func (c *client) Ready() bool { return c.ready }

// Due implements crowd.Client.
func (c *client) Due(out []byte) []byte { return out }
