package session

// maxUnsent limits the responses and notices queued for a client that does not read,
// in bytes, in addition to the messages of one batch.
const maxUnsent = 1 << 20

// throttle stops reading from a client while too many jobs or responses are pending.
func (s *Session) throttle() {
	if w := s.work; w != nil {
		full := w.jobs.tooMany()
		if w.held && !full {
			s.conn.Touch()
		}
		w.held = full
	}
	if s.work != nil && s.work.held || s.conn.Unsent() > maxUnsent/4 {
		s.conn.PauseRead()
	} else {
		s.conn.ResumeRead()
	}
}
