package http1

import (
	"bufio"
	"bytes"
	"errors"
	"io"
	"net"
	"net/http"
)

// errHijacked says that a handler has taken the connection over.
var errHijacked = errors.New("hijacked")

// Hijack implements http.Hijacker, for WebSocket handshakes.
func (x *exchange) Hijack() (net.Conn, *bufio.ReadWriter, error) {
	if x.method != http.MethodGet || x.status != 0 {
		return nil, nil, http.ErrNotSupported
	}
	if !x.conn.state.CompareAndSwap(busy, hijacked) {
		return nil, nil, http.ErrHijacked
	}
	c := x.conn.Conn
	in := bufio.NewReaderSize(io.MultiReader(bytes.NewReader(bytes.Clone(x.early)), c), max(len(x.early), leastBuffer))
	if _, err := in.Peek(len(x.early)); err != nil {
		return nil, nil, err
	}
	return c, bufio.NewReadWriter(in, bufio.NewWriterSize(c, leastBuffer)), nil
}

// leastBuffer is the size of a buffer that is hardly used.
const leastBuffer = 64
