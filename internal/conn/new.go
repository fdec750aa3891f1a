package conn

// NewLoop starts a loop. It runs until Close.
func NewLoop(cfg Config) *Loop { return newLoop(cfg, newPoller(), newSocket) }
