package stage

// Removals are the ranges of sequences in which records were removed, by channel: one for
// each channel, because retention removes records from the start of a log.
type Removals map[string]Sequences

// ofLate is the number of channels whose removed records are noted.
const ofLate = 1000

type Sequences struct{ First, Last uint64 }

func (rs Removals) Add(channel string, s Sequences) {
	if old, ok := rs[channel]; ok {
		s = Sequences{min(old.First, s.First), max(old.Last, s.Last)}
	}
	rs[channel] = s
}
