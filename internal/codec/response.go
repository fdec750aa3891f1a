package codec

import (
	"bytes"
	"strconv"
	"time"

	"github.com/wirepost/wirepost/internal/feed"
)

// sse is Server-Sent Events,
// https://html.spec.whatwg.org/multipage/server-sent-events.html.
type sse struct{}

func (sse) Name() string                  { return "sse" }
func (sse) Acknowledged() Acknowledgement { return ByReturn }
func (sse) Objects() bool                 { return true }

// AppendMessage gives the event an ID: the cursor after the message.
func (sse) AppendMessage(dst [][]byte, it *feed.Item, channel string, _ int, at Position) [][]byte {
	return append(dst, []byte("id: "+at.Position()+"\ndata: "), oneLine(object(it, channel)), eventEnd)
}

// Notice is an event without an ID.
func (sse) Notice(object []byte) []byte {
	b := make([]byte, 0, len(object)+8)
	b = append(append(b, "data: "...), oneLine(object)...)
	return append(b, eventEnd...)
}

func (sse) Heartbeat() []byte { return heartbeatComment }

// Retry is the field that tells an EventSource when to reconnect.
func (sse) Retry(after time.Duration) []byte {
	return append(strconv.AppendInt([]byte("retry: "), after.Milliseconds(), 10), '\n')
}

var (
	eventEnd = []byte("\n\n")
	// heartbeatComment is ignored by clients, and keeps proxies from closing the
	// connection.
	heartbeatComment = []byte(": heartbeat\n\n")
)

// oneLine returns a JSON object without line breaks, which would end a field of an
// event. A raw body that is kept byte for byte may have some; in JSON they are white
// space.
func oneLine(object []byte) []byte {
	if !bytes.ContainsAny(object, "\r\n") {
		return object
	}
	return bytes.Map(func(r rune) rune {
		if r == '\r' || r == '\n' {
			return ' '
		}
		return r
	}, object)
}

type poll struct{}

func (poll) Name() string                  { return "poll" }
func (poll) Acknowledged() Acknowledgement { return ByReturn }
func (poll) Objects() bool                 { return true }

func (poll) AppendMessage(dst [][]byte, it *feed.Item, channel string, _ int, _ Position) [][]byte {
	return append(dst, object(it, channel))
}

func (poll) Notice(object []byte) []byte { return object }
func (poll) Heartbeat() []byte           { return nil }
func (poll) Retry(time.Duration) []byte  { return nil }
