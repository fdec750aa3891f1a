package wirepost

import (
	"time"

	"github.com/wirepost/wirepost/internal/trend"
)

// TrendInterval is the time between two points of Server.Trend.
const TrendInterval = trend.Interval

// TrendPoint is the state of a server at one time. Pushes and Deliveries are counted from the
// start of the server, and Memory is in bytes, of the process.
type TrendPoint struct {
	Time               time.Time
	Connections, Users int
	Pushes, Deliveries uint64
	Memory             uint64
}

// Trend returns the last hour of this server, oldest first, with a point every TrendInterval:
// less if it has not run that long. In a cluster, each node has its own. The times are by the
// clock of now: after a jump of the system's clock they still come one after the other.
func (s *Server) Trend() []TrendPoint {
	points, now := s.trend.Points(), time.Now()
	elapsed := now.Sub(s.started)
	all := make([]TrendPoint, len(points))
	for i, p := range points {
		all[i] = TrendPoint{p.At(now, elapsed), p.Connections, p.Users, p.Pushes, p.Deliveries, p.Memory}
	}
	return all
}
