package session

import (
	"slices"

	"github.com/wirepost/wirepost/internal/presence"
)

// watches are the channels whose presence one client sees.
type watches []*presence.Watch

// of returns the watch of a channel, or nil.
func (w watches) of(channel string) *presence.Watch {
	for _, watch := range w {
		if watch.Channel() == channel {
			return watch
		}
	}
	return nil
}

func (w *watches) remove(watch *presence.Watch) {
	*w = slices.DeleteFunc(*w, func(other *presence.Watch) bool { return other == watch })
}

// renew sends the lists of channels whose changes were left out.
func (w watches) renew() {
	for _, watch := range w {
		watch.Renew()
	}
}
