package wirepost

import "github.com/wirepost/wirepost/engine"

// Cluster describes the cluster that the server's engine belongs to, as this node knows
// it. It returns false if the engine is not shared by nodes.
func (s *Server) Cluster() (engine.Cluster, bool) {
	shared, ok := s.engine.(engine.Shared)
	if !ok {
		return engine.Cluster{}, false
	}
	return shared.Cluster(), true
}
