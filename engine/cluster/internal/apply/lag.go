package apply

import "time"

// lag measures how far a replica is behind the log, without comparing clocks of different
// nodes: it remembers when this node learned of positions that it has not applied yet.
type lag struct{ known []sighting }

type sighting struct {
	position uint64
	at       time.Time
}

// maxSightings is the most positions that are remembered. A lag that is longer than as
// many announcements is still measured, in larger steps.
const maxSightings = 600

// heard records that a position exists.
func (l *lag) heard(position uint64, now time.Time) {
	if n := len(l.known); n > 0 && l.known[n-1].position >= position || n == maxSightings {
		return
	}
	l.known = append(l.known, sighting{position, now})
}

// applied records that all positions up to one are applied.
func (l *lag) applied(position uint64) {
	n := 0
	for n < len(l.known) && l.known[n].position <= position {
		n++
	}
	if n > 0 {
		l.known = l.known[:copy(l.known, l.known[n:])]
	}
}

func (l *lag) since(now time.Time) time.Duration {
	if len(l.known) == 0 {
		return 0
	}
	return now.Sub(l.known[0].at)
}
