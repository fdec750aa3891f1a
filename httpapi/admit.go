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

// begin admits a push before its body is read, or refuses it. After an admitted push
// done is called.
func (a *api) begin(weight int64) (done func(), err error) {
	if !a.memory.reserve(weight) {
		a.srv.CountRefusal(refusedMemory)
		return nil, errOverload
	}
	return func() { a.memory.release(weight) }, nil
}

// beginOne is begin for a push that is one request, which the pace of its key limits as
// well.
func (a *api) beginOne(r *request, limit int) (done func(), err error) {
	if err := r.key.pace.admit(); err != nil {
		a.srv.CountRefusal(refusedPace)
		return nil, err
	}
	return a.begin(estimate(r.ContentLength, limit))
}
