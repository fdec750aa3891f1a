package cluster

// recent has the histories of the last positions of a shard. With them a replica notices
// that another node had other batches at these positions.
type recent struct {
	position [recentSize]uint64
	history  [recentSize]uint64
}

const recentSize = 1024

// reset forgets everything, except the history at a position.
func (r *recent) reset(position, history uint64) {
	*r = recent{}
	r.add(position, history)
}

func (r *recent) add(position, history uint64) {
	i := position % recentSize
	r.position[i], r.history[i] = position, history
}

// agrees reports whether the history at a position is known to be this one.
func (r *recent) agrees(position, history uint64) bool {
	i := position % recentSize
	return position > 0 && r.position[i] == position && r.history[i] == history
}

// differs reports whether the history at a position is known to be another one. Position 0
// has none.
func (r *recent) differs(position, history uint64) bool {
	i := position % recentSize
	return position > 0 && r.position[i] == position && r.history[i] != history
}
