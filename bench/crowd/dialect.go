package crowd

import (
	"bytes"
	"fmt"
)

// Dialect is what a server requires of its clients before and between messages. The
// zero value is a bare WebSocket.
type Dialect struct {
	// Bare servers do not speak HTTP: a connection is ready when it is connected.
	Bare bool
	// Path of the upgrade for client i; nil means /ws?user=u<i>.
	Path func(i int) string
	// Protocol is the subprotocol to offer; "" means none.
	Protocol string
	// Hello is sent, as a text frame, after the upgrade.
	Hello string
	// Ready reports whether messages follow a payload; nil means that the upgrade is
	// sufficient.
	Ready func(payload []byte) bool
	// Answer returns the reply to a text frame without a message, or "".
	Answer func(payload []byte) string
	// Received is called with every text frame of client i, on the client's loop. May be nil.
	Received func(i int, payload []byte)
}

func (d *Dialect) path(i int) string {
	if d.Path == nil {
		return fmt.Sprintf("/ws?user=u%d", i)
	}
	return d.Path(i)
}

// Bare is the floor's dialect.
func Bare() Dialect { return Dialect{Bare: true} }

// News is the dialect of Wirepost for a user that subscribes to the channel news.
func News() Dialect {
	return Dialect{Path: func(i int) string { return fmt.Sprintf("/ws?user=u%d&channels=news", i) }}
}

// Presence is the dialect of Wirepost for a user who enters the channel news and watches who
// is there.
func Presence() Dialect {
	return Dialect{
		Path:     func(i int) string { return fmt.Sprintf("/ws?user=u%d", i) },
		Protocol: "wirepost.v1",
		Hello:    `{"type":"subscribe","ref":1,"channel":"news","presence":true}`,
		Ready:    func(p []byte) bool { return bytes.Contains(p, []byte(`"presence":{`)) },
	}
}

// Centrifuge is the JSON protocol of Centrifugo and the centrifuge library.
func Centrifuge() Dialect {
	return Dialect{
		Path:  func(i int) string { return fmt.Sprintf("/connection/websocket?user=u%d", i) },
		Hello: `{"id":1,"connect":{}}` + "\n" + `{"id":2,"subscribe":{"channel":"news"}}`,
		Ready: func(p []byte) bool {
			return bytes.Contains(p, []byte(`"id":2`)) && !bytes.Contains(p, []byte(`"error"`))
		},
		Answer: func(p []byte) string {
			if string(p) == "{}" {
				return "{}" // a ping
			}
			return ""
		},
	}
}

// SocketIO is Engine.IO 4 over WebSocket with the Socket.IO 5 protocol on it.
func SocketIO() Dialect {
	return Dialect{
		Path:  func(i int) string { return fmt.Sprintf("/socket.io/?EIO=4&transport=websocket&user=u%d", i) },
		Hello: "40", // connect to the main namespace
		Ready: func(p []byte) bool { return bytes.HasPrefix(p, []byte("40")) },
		Answer: func(p []byte) string {
			if string(p) == "2" {
				return "3" // ping, pong
			}
			return ""
		},
	}
}
