package session

// maxSpare and spareWindow bound the windows that a loop keeps for other sessions: how many,
// and how many messages they have room for.
const (
	maxSpare    = 64
	spareWindow = 16
)

// newWindow returns an empty window.
func (l *Loop) newWindow() *window {
	n := len(l.spare)
	if n == 0 {
		return new(window)
	}
	w := l.spare[n-1]
	l.spare = l.spare[:n-1]
	return w
}

// freeWindow takes back an empty window, which nothing may use after that.
func (l *Loop) freeWindow(w *window) {
	if len(l.spare) < maxSpare && cap(w.sent) <= spareWindow {
		clear(w.pinged)
		*w = window{sent: w.sent[:0], pinged: w.pinged[:0]}
		l.spare = append(l.spare, w)
	}
}
