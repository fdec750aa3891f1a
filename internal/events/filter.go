package events

import (
	"slices"

	"github.com/wirepost/wirepost/internal/glob"
)

// Filter selects events.
type Filter struct {
	Types    []string // patterns; none: all types
	Channels []string // patterns; none: all channels
}

func matchesAny(patterns []string, name string) bool {
	return len(patterns) == 0 || slices.ContainsFunc(patterns, func(p string) bool { return glob.Match(p, name) })
}

func (f *Filter) matchesType(t Type) bool { return matchesAny(f.Types, string(t)) }

// matches reports whether a type of event about a channel is selected. An event that is
// not about a channel has none, and is selected by its type alone.
func (f *Filter) matches(t Type, channel string) bool {
	return t == Gap || f.matchesType(t) && (channel == "" || matchesAny(f.Channels, channel))
}

// filters select what is written: what any of them selects.
type filters []Filter

func (fs filters) match(t Type, channel string) bool {
	return slices.ContainsFunc(fs, func(f Filter) bool { return f.matches(t, channel) })
}

// any reports whether one of the types may be selected.
func (fs filters) any(list ...Type) bool {
	return slices.ContainsFunc(fs, func(f Filter) bool { return slices.ContainsFunc(list, f.matchesType) })
}
