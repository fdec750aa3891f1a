package note

// Recent has the histories of the last positions of a shard. With them a replica notices
// that another node had other batches at these positions.
type Recent struct {
	position [recentSize]uint64
	history  [recentSize]uint64
}

const recentSize = 1024

// Reset forgets everything, except the history at a position.
func (r *Recent) Reset(position, history uint64) {
	*r = Recent{}
	r.Add(position, history)
}

// Add adds the history at a position.
func (r *Recent) Add(position, history uint64) {
	i := position % recentSize
	r.position[i], r.history[i] = position, history
}

// Agrees reports whether the history at a position is known to be this one.
func (r *Recent) Agrees(position, history uint64) bool {
	i := position % recentSize
	return position > 0 && r.position[i] == position && r.history[i] == history
}

// Differs reports whether the history at a position is known to be another one. Position 0
// has none.
func (r *Recent) Differs(position, history uint64) bool {
	i := position % recentSize
	return position > 0 && r.position[i] == position && r.history[i] != history
}
