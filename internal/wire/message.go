package wire

import (
	"encoding/base64"
	"strconv"
	"strings"
	"unicode/utf8"
)

// Message is the message object of wirepost.v1.
type Message struct {
	Channel     string
	Seq, Prev   uint64
	ID          string
	Time        int64 // ms since the epoch
	Expires     int64 // ms since the epoch; 0: none
	Key         string
	ContentType string // "": application/json
	From        string
	Data        []byte
}

// JSONType is the default content type.
const JSONType = "application/json"

// Kind is how data of a content type is carried.
type Kind uint8

// The kinds.
const (
	Binary Kind = iota // any other type: a binary frame, or base64
	JSON               // application/json and …+json: a text frame, or as it is
	Text               // text/…: a text frame, or a JSON string
)

// KindOf returns how data of a content type is carried. It ignores parameters.
func KindOf(contentType string) Kind {
	if contentType == "" || contentType == JSONType {
		return JSON
	}
	mediaType, _, _ := strings.Cut(contentType, ";")
	mediaType = strings.ToLower(strings.TrimSpace(mediaType))
	switch {
	case mediaType == JSONType, strings.HasSuffix(mediaType, "+json"):
		return JSON
	case strings.HasPrefix(mediaType, "text/"):
		return Text
	}
	return Binary
}

// AppendMessage appends the message object.
func AppendMessage(dst []byte, m *Message) []byte {
	dst = append(dst, `{"type":"message","channel":`...)
	dst = appendString(dst, m.Channel)
	dst = append(dst, `,"seq":`...)
	dst = strconv.AppendUint(dst, m.Seq, 10)
	dst = append(dst, `,"prev":`...)
	dst = strconv.AppendUint(dst, m.Prev, 10)
	dst = appendField(dst, "id", m.ID)
	dst = append(dst, `,"time":`...)
	dst = strconv.AppendInt(dst, m.Time, 10)
	dst = appendField(dst, "key", m.Key)
	if m.Expires != 0 {
		dst = append(dst, `,"expires":`...)
		dst = strconv.AppendInt(dst, m.Expires, 10)
	}
	dst = appendField(dst, "from", m.From)
	if m.ContentType != JSONType {
		dst = appendField(dst, "content_type", m.ContentType)
	}
	dst = appendData(dst, m)
	return append(dst, '}')
}

func appendData(dst []byte, m *Message) []byte {
	switch KindOf(m.ContentType) {
	case JSON:
		dst = append(dst, `,"data":`...)
		return append(dst, m.Data...)
	case Text:
		dst = append(dst, `,"data":`...)
		return appendString(dst, m.Data)
	}
	dst = append(dst, `,"data_base64":"`...)
	dst = base64.StdEncoding.AppendEncode(dst, m.Data)
	return append(dst, '"')
}

// appendField appends a member unless it is empty.
func appendField(dst []byte, name, value string) []byte {
	if value == "" {
		return dst
	}
	dst = append(dst, `,"`...)
	dst = append(dst, name...)
	dst = append(dst, `":`...)
	return appendString(dst, value)
}

// AppendString appends a string as JSON.
func AppendString(dst []byte, s string) []byte { return appendString(dst, s) }

// appendString appends s as a JSON string. Invalid UTF-8 becomes U+FFFD. The line
// separators are escaped because JavaScript treats them as line ends.
func appendString[S []byte | string](dst []byte, s S) []byte {
	const hex = "0123456789abcdef"
	dst = append(dst, '"')
	start := 0
	for i := 0; i < len(s); {
		b := s[i]
		if b >= ' ' && b != '"' && b != '\\' && b < utf8.RuneSelf {
			i++
			continue
		}
		if b >= utf8.RuneSelf {
			r, size := utf8.DecodeRuneInString(string(s[i:min(i+utf8.UTFMax, len(s))]))
			if !(r == utf8.RuneError && size == 1) && r != '\u2028' && r != '\u2029' {
				i += size
				continue
			}
			dst = append(dst, s[start:i]...)
			dst = append(dst, `\u`...)
			dst = append(dst, hex[r>>12&15], hex[r>>8&15], hex[r>>4&15], hex[r&15])
			i += size
			start = i
			continue
		}
		dst = append(dst, s[start:i]...)
		switch b {
		case '"', '\\':
			dst = append(dst, '\\', b)
		case '\n':
			dst = append(dst, '\\', 'n')
		case '\r':
			dst = append(dst, '\\', 'r')
		case '\t':
			dst = append(dst, '\\', 't')
		default:
			dst = append(dst, '\\', 'u', '0', '0', hex[b>>4], hex[b&15])
		}
		i++
		start = i
	}
	dst = append(dst, s[start:]...)
	return append(dst, '"')
}
