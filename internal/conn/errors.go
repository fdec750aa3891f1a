package conn

import "errors"

var (
	// ErrLoopClosed is returned by Attach once the loop is closing.
	ErrLoopClosed = errors.New("loop closed")
	// ErrCloseTimeout is the Err of CloseInfo if the closing handshake timed out.
	ErrCloseTimeout = errors.New("closing handshake timed out")
)
