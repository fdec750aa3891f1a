package wirepost

// Feeds is the number of feeds in memory, including those that only closed sessions
// hold.
func (s *Server) Feeds() int { return s.host.Feeds.Len() }
