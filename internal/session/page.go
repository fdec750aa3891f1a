package session

// holdPage counts the bytes of a page until the client has taken the part that was
// sent. On the loop.
func (s *Session) holdPage(bytes int32) {
	s.page += bytes
	if !s.blocked || s.subs == nil { // or the session is closed
		s.releasePage()
	}
}

func (s *Session) releasePage() {
	if s.page != 0 {
		s.loop.host.Pages.Release(s.page)
		s.page = 0
	}
}
