package wirepost

import (
	"context"
	"errors"
	"log/slog"

	"github.com/wirepost/wirepost/engine"
)

// readFailed counts and logs that messages could not be read. Clients come back and try
// again, so damage, which the engine logs once, would fill the log.
func (s *Server) readFailed(channel string, err error) {
	s.metrics.readErrors.Inc()
	level := slog.LevelError
	if errors.Is(err, engine.ErrDamaged) {
		level = slog.LevelDebug
	}
	s.logger.Log(context.Background(), level, "reading a channel", "channel", channel, "error", err)
}
