package wirepost

// Feeds is how many feeds are in memory, whoever holds them.
func (s *Server) Feeds() int { return s.host.Feeds.Len() }
