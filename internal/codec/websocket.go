package codec

import (
	"time"

	"github.com/wirepost/wirepost/internal/feed"
	"github.com/wirepost/wirepost/internal/wire"
	"github.com/wirepost/wirepost/internal/ws"
)

type plain struct{ websocket }

func (plain) Name() string                  { return "plain" }
func (plain) Acknowledged() Acknowledgement { return ByPong }
func (plain) Objects() bool                 { return false }

func (plain) AppendMessage(dst [][]byte, it *feed.Item, _ string, window int, _ Position) [][]byte {
	return append(dst, bareFrame(it, window))
}

type v1 struct{ websocket }

func (v1) Name() string                  { return wire.ProtocolV1 }
func (v1) Acknowledged() Acknowledgement { return ByFrame }
func (v1) Objects() bool                 { return true }

func (v1) AppendMessage(dst [][]byte, it *feed.Item, channel string, window int, _ Position) [][]byte {
	return append(dst, objectFrame(it, channel, window))
}

// websocket is common to both WebSocket modes.
type websocket struct{}

func (websocket) Notice(object []byte) []byte { return ws.AppendFrame(nil, ws.OpText, object) }
func (websocket) Heartbeat() []byte           { return nil }
func (websocket) Retry(time.Duration) []byte  { return nil }
