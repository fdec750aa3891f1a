package session

import "sync"

// maxJobs is the number of commands of one session that may be queued. Then reading
// stops.
const maxJobs = 16

// jobs are functions that run one at a time, in order, on a goroutine that exists only
// while there are any.
type jobs struct {
	mu    sync.Mutex
	queue []func() // guarded by mu; the first one is running
	full  bool     // guarded by mu: reading stopped because the queue was full
}

// add queues a job. True means that it is the first one, and that the caller starts the
// goroutine.
func (j *jobs) add(fn func()) bool {
	j.mu.Lock()
	defer j.mu.Unlock()
	j.queue = append(j.queue, fn)
	return len(j.queue) == 1
}

// next removes the finished job from the queue and returns the next one, or nil. Room
// reports whether the queue was full, and is not any more.
func (j *jobs) next() (fn func(), room bool) {
	j.mu.Lock()
	defer j.mu.Unlock()
	j.queue[0] = nil
	j.queue = j.queue[1:]
	room, j.full = j.full, false
	if len(j.queue) == 0 {
		j.queue = nil
		return nil, room
	}
	return j.queue[0], room
}

// tooMany reports whether reading must stop until there are fewer jobs.
func (j *jobs) tooMany() bool {
	j.mu.Lock()
	defer j.mu.Unlock()
	j.full = len(j.queue) >= maxJobs
	return j.full
}
