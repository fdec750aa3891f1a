package httpapi

import (
	"encoding/json"
	"net/http"
	"strconv"

	"github.com/wirepost/wirepost"
)

// writeJSON responds with a value as JSON.
func writeJSON(w http.ResponseWriter, status int, v any) error {
	body, err := json.Marshal(v)
	if err != nil {
		return err
	}
	return writeBody(w, status, body)
}

// writeBody responds with JSON, as a line: people read it in terminals.
func writeBody(w http.ResponseWriter, status int, body []byte) error {
	setType(w, jsonType)
	w.Header().Set("Content-Length", strconv.Itoa(len(body)+len(newline)))
	w.WriteHeader(status)
	w.Write(body)    //nolint:errcheck // the peer is gone
	w.Write(newline) //nolint:errcheck // likewise
	return nil
}

func setType(w http.ResponseWriter, contentType string) {
	h := w.Header()
	h["Content-Type"] = jsonTypes
	if contentType != jsonType {
		h["Content-Type"] = []string{contentType}
	}
	h["X-Content-Type-Options"] = noSniff
	h["Cache-Control"] = noStore
}

// Shared between responses: a header's values are not changed in place.
var (
	jsonTypes = []string{jsonType}
	noSniff   = []string{"nosniff"}
	noStore   = []string{"no-store"}
	newline   = []byte{'\n'}
)

// writePushed responds to a push: 201 if a subscriber is connected, else 202.
func writePushed(w http.ResponseWriter, pushed []wirepost.PushResult) error {
	status := http.StatusAccepted
	for i := range pushed {
		if pushed[i].Online > 0 {
			status = http.StatusCreated
		}
	}
	out := getBuffer()
	defer putBuffer(out)
	return writeBody(w, status, appendPushed(out.AvailableBuffer(), pushed))
}

// appendPushed appends {"messages":[…]}, or {"scheduled":[…]} if the push was to be
// scheduled.
func appendPushed(dst []byte, pushed []wirepost.PushResult) []byte {
	scheduled := !pushed[0].At.IsZero()
	if scheduled {
		dst = append(dst, `{"scheduled":[`...)
	} else {
		dst = append(dst, `{"messages":[`...)
	}
	for i := range pushed {
		p := &pushed[i]
		if i > 0 {
			dst = append(dst, ',')
		}
		if scheduled {
			dst = endObject(appendScheduled(dst, p.To, p.ID, p.At.UnixMilli()), p)
			continue
		}
		dst = append(dst, `{"to":`...)
		dst = appendString(dst, p.To)
		dst = append(dst, `,"id":`...)
		dst = appendString(dst, p.ID)
		dst = append(dst, `,"seq":`...)
		dst = strconv.AppendUint(dst, p.Seq, 10)
		dst = append(dst, `,"online":`...)
		dst = endObject(strconv.AppendInt(dst, int64(p.Online), 10), p)
	}
	return append(dst, `]}`...)
}

func endObject(dst []byte, p *wirepost.PushResult) []byte {
	if p.Duplicate {
		dst = append(dst, `,"duplicate":true`...)
	}
	return append(dst, '}')
}

// appendString appends a JSON string.
func appendString(dst []byte, s string) []byte {
	for i := 0; i < len(s); i++ {
		if c := s[i]; c < ' ' || c > '~' || c == '"' || c == '\\' {
			quoted, _ := json.Marshal(s) // a string cannot fail
			return append(dst, quoted...)
		}
	}
	dst = append(dst, '"')
	dst = append(dst, s...)
	return append(dst, '"')
}
