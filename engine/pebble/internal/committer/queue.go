package committer

import "context"

// queue holds the requests that wait for the committer. It is guarded by the mutex of the
// cache, so that an append pins its slots and is queued under one lock.
type queue struct {
	requests []*request
	bytes    int
	most     int           // bytes
	room     chan struct{} // closed when the queue has been taken; nil: no request waits
	stopping bool
}

// submitLocked queues a request. It waits for room in the queue without the lock, until
// ctx is done.
func (k *Committer) submitLocked(ctx context.Context, rq *request) error {
	for k.queue.bytes >= k.queue.most && !k.current.stalled {
		if k.queue.room == nil {
			k.queue.room = make(chan struct{})
		}
		room := k.queue.room
		k.Cache.Unlock()
		select {
		case <-room:
			k.Cache.Lock()
		case <-ctx.Done():
			k.Cache.Lock()
			return context.Cause(ctx)
		}
	}
	if err := k.stalledLocked(); err != nil {
		return err
	}
	k.queue.requests = append(k.queue.requests, rq)
	k.queue.bytes += rq.size()
	if len(k.queue.requests) == 1 {
		k.work.Signal()
	}
	return nil
}

// take waits for requests and takes all of them. It returns nil when the committer ends.
func (k *Committer) take(reuse []*request) []*request {
	k.Cache.Lock()
	defer k.Cache.Unlock()
	for len(k.queue.requests) == 0 {
		if k.queue.stopping {
			return nil
		}
		k.work.Wait()
	}
	taken := k.queue.requests
	k.queue.requests, k.queue.bytes = reuse[:0], 0
	k.queue.makeRoomLocked()
	k.beganLocked(taken)
	return taken
}

// makeRoomLocked wakes callers that wait for room in the queue.
func (q *queue) makeRoomLocked() {
	if q.room != nil {
		close(q.room)
		q.room = nil
	}
}
