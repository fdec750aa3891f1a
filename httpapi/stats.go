package httpapi

import (
	"net/http"
	"runtime/metrics"
	"strconv"

	"github.com/wirepost/wirepost"
)

// maxTop is the longest list of the largest channels, or of slow sessions.
const maxTop = 100

// statsAnswer is what there is now, and what was counted.
type statsAnswer struct {
	wirepost.Stats
	Memory uint64        `json:"memory_bytes"`
	Top    *wirepost.Top `json:"top,omitempty"`
}

// stats is GET /v1/stats.
func (a *api) stats(w http.ResponseWriter, r *request) error {
	answer := statsAnswer{Stats: a.srv.Stats(), Memory: held()}
	if r.query.Has("top") {
		n, err := strconv.ParseUint(r.query.Get("top"), 10, 64)
		if err != nil || n == 0 || n > maxTop {
			return badRequest("top", "it has to be an integer from 1 to %d", maxTop)
		}
		top := a.srv.Top(int(n))
		answer.Top = &top
	}
	return writeJSON(w, http.StatusOK, answer)
}

// held is what the process holds of the system's memory, as the Go runtime
// counts it.
func held() uint64 {
	samples := []metrics.Sample{{Name: "/memory/classes/total:bytes"}, {Name: "/memory/classes/heap/released:bytes"}}
	metrics.Read(samples)
	return samples[0].Value.Uint64() - samples[1].Value.Uint64()
}
