package httpapi

// pushOverhead is the memory of a push besides its body, in bytes, roughly.
const pushOverhead = 4 << 10

// estimate is the memory that a push with a body of up to limit bytes may need: the body,
// and the message made of it.
func estimate(length int64, limit int) int64 {
	if length < 0 || length > int64(limit) {
		length = int64(limit)
	}
	return 2*length + pushOverhead
}

// begin admits a push before its body is read, or refuses it. After an admitted push its
// weight is released.
func (a *api) begin(weight int64) error {
	if !a.memory.reserve(weight) {
		a.srv.CountRefusal(refusedMemory)
		return errOverload
	}
	return nil
}

// beginOne is begin for a push that is one request, which the pace of its key limits as
// well.
func (a *api) beginOne(r *request, limit int) (weight int64, err error) {
	if err := r.key.pace.admit(); err != nil {
		a.srv.CountRefusal(refusedPace)
		return 0, err
	}
	weight = estimate(r.ContentLength, limit)
	return weight, a.begin(weight)
}
