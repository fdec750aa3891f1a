package schedule

import (
	"encoding/binary"
	"encoding/json"
	"errors"

	"github.com/wirepost/wirepost/engine"
)

// header is what a timer stores of a message besides its data. A timer's data is the length
// of the header, as a varint, the header in JSON, and the data of the message.
type header struct {
	Key         string `json:"key,omitempty"`
	ContentType string `json:"content_type,omitempty"`
	Expires     int64  `json:"expires,omitempty"` // in ms since the epoch
	Steps       *steps `json:"steps,omitempty"`
	Trace       []byte `json:"trace,omitempty"` // the trace context of the push
}

// steps is the timer of an escalation, which is set with the message.
type steps struct {
	After int64           `json:"after"` // when it is due, in ms after the message is pushed
	Data  json.RawMessage `json:"data"`
}

// Entry makes of the entry of a message, which has an ID, the entry that schedules it. Now and
// at are in ms since the epoch. The time to live begins now. The timer that the entry sets, if
// any, is of the kind engine.TimerStep and has JSON as its data; it is set when the message is
// pushed, so its time counts from then on.
func Entry(in *engine.Entry, now, at int64) engine.Entry {
	h := header{Key: in.Key, ContentType: in.ContentType, Trace: []byte(in.Trace)}
	if in.TTL > 0 {
		h.Expires = now + in.TTL.Milliseconds()
	}
	if t := in.Sets; t != nil {
		h.Steps = &steps{After: t.Due - now, Data: t.Data}
	}
	text, err := json.Marshal(h)
	if err != nil {
		panic(err) // it has only texts and numbers
	}
	data := binary.AppendUvarint(make([]byte, 0, binary.MaxVarintLen16+len(text)+len(in.Data)), uint64(len(text)))
	data = append(append(data, text...), in.Data...)
	return engine.Entry{
		Channel: in.Channel, ID: in.ID, Idempotent: in.Idempotent, Bare: true,
		Sets: &engine.Timer{Kind: engine.TimerPush, ID: in.ID, Due: at, Data: data},
	}
}

var errStored = errors.New("it is malformed")

// decode decodes what a timer stores.
func decode(stored []byte) (h header, data []byte, err error) {
	n, size := binary.Uvarint(stored)
	if size <= 0 || n > uint64(len(stored)-size) {
		return h, nil, errStored
	}
	if err := json.Unmarshal(stored[size:][:n], &h); err != nil {
		return h, nil, err
	}
	return h, stored[uint64(size)+n:], nil
}
