package conn

import "errors"

var (
	// ErrLoopClosed is answered by Attach once the loop is closing.
	ErrLoopClosed = errors.New("loop closed")
	// ErrCloseTimeout is in CloseInfo when the closing handshake did not end in time.
	ErrCloseTimeout = errors.New("closing handshake timed out")
)
