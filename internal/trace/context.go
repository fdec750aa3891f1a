// Package trace has the trace contexts of pushes (W3C Trace Context), and the contract with
// what records spans. It knows no tracing library.
package trace

import (
	"context"
	"encoding/hex"
)

// Context names a span, and the trace that it belongs to. The zero Context names none.
type Context struct {
	Trace [16]byte
	Span  [8]byte
	Flags byte
}

// flagSampled says that the caller records the trace.
const flagSampled = 1

// Sampled reports whether the spans of the trace are recorded.
func (c Context) Sampled() bool { return c.valid() && c.Flags&flagSampled != 0 }

func (c Context) valid() bool { return c.Trace != [16]byte{} && c.Span != [8]byte{} }

const textSize = len("00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01")

// Parse reads the value of a traceparent header. Of a later version than 00 it reads what 00
// has.
func Parse(text string) (c Context, ok bool) {
	if len(text) < textSize || text[2] != '-' || text[35] != '-' || text[52] != '-' {
		return Context{}, false
	}
	var version, flags [1]byte
	for _, part := range []struct {
		to   []byte
		text string
	}{{version[:], text[:2]}, {c.Trace[:], text[3:35]}, {c.Span[:], text[36:52]}, {flags[:], text[53:55]}} {
		if !lowerHex(part.to, part.text) {
			return Context{}, false
		}
	}
	switch {
	case version[0] == 0xff, !c.valid():
		return Context{}, false
	case version[0] == 0 && len(text) > textSize, len(text) > textSize && text[textSize] != '-':
		return Context{}, false
	}
	c.Flags = flags[0]
	return c, true
}

// lowerHex decodes hexadecimal digits, which have to be lower-case.
func lowerHex(to []byte, text string) bool {
	for i := range len(text) {
		if 'A' <= text[i] && text[i] <= 'F' {
			return false
		}
	}
	_, err := hex.Decode(to, []byte(text))
	return err == nil
}

// String is the value of a traceparent header.
func (c Context) String() string {
	b := append(make([]byte, 0, textSize), "00-"...)
	b = append(hex.AppendEncode(b, c.Trace[:]), '-')
	b = append(hex.AppendEncode(b, c.Span[:]), '-')
	return string(hex.AppendEncode(b, []byte{c.Flags}))
}

// storedSize is the size of a Context as it is stored.
const storedSize = 16 + 8 + 1

// Stored is the form in which a message keeps the Context: its bytes, one field after the
// other. It is "" for the zero Context.
func (c Context) Stored() string {
	if !c.valid() {
		return ""
	}
	b := append(make([]byte, 0, storedSize), c.Trace[:]...)
	return string(append(append(b, c.Span[:]...), c.Flags))
}

// Of reads what Stored has made. It is the zero Context if that is something else.
func Of(stored string) (c Context) {
	if len(stored) != storedSize {
		return Context{}
	}
	copy(c.Trace[:], stored)
	copy(c.Span[:], stored[16:])
	c.Flags = stored[24]
	return c
}

type callerKey struct{}

// With returns a context with the traceparent header of a request, unless it is "".
func With(ctx context.Context, header string) context.Context {
	if header == "" {
		return ctx
	}
	return context.WithValue(ctx, callerKey{}, header)
}

// Caller returns what the header has that With was given. A header that is invalid counts as
// none, as W3C Trace Context says.
func Caller(ctx context.Context) Context {
	header, _ := ctx.Value(callerKey{}).(string)
	c, _ := Parse(header)
	return c
}
