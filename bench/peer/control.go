package peer

import (
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/pprof"
	"runtime"
	"runtime/debug"
	"strings"

	"github.com/wirepost/wirepost/bench/crowd"
)

// Footprint is the response of GET /debug/mem, in bytes, after a garbage collection.
type Footprint struct {
	Heap       int64 `json:"heap"` // in use
	Stacks     int64 `json:"stacks"`
	Goroutines int   `json:"goroutines"`
}

// Live is the server's live memory.
func (f Footprint) Live() int64 { return f.Heap + f.Stacks }

// Message returns a JSON string of the given size that contains the marker.
func Message(size int) []byte {
	return []byte(`"` + string(crowd.Marker) + strings.Repeat("x", max(0, size-3)) + `"`)
}

// control handles the benchmark's control requests.
func control(s Server) http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("GET /debug/pprof/profile", pprof.Profile)
	mux.Handle("GET /debug/pprof/heap", pprof.Handler("heap"))
	mux.HandleFunc("GET /debug/mem", func(w http.ResponseWriter, _ *http.Request) {
		json.NewEncoder(w).Encode(footprint()) //nolint:errcheck // the client is gone
	})
	mux.HandleFunc("POST /debug/publish", func(w http.ResponseWriter, r *http.Request) {
		size, times, err := twoNumbers(r, "size", "times")
		if err == nil {
			err = s.Publish(Message(size), times)
		}
		answer(w, err)
	})
	mux.HandleFunc("GET /debug/online", func(w http.ResponseWriter, _ *http.Request) {
		fmt.Fprint(w, s.Online())
	})
	if f, ok := s.(filler); ok {
		mux.HandleFunc("POST /debug/fill", func(w http.ResponseWriter, r *http.Request) {
			from, to, err := twoNumbers(r, "from", "to")
			if err == nil {
				err = f.fill(from, to)
			}
			answer(w, err)
		})
		mux.HandleFunc("POST /debug/scatter", func(w http.ResponseWriter, r *http.Request) {
			channels, pushes, err := twoNumbers(r, "channels", "pushes")
			if err == nil {
				err = f.scatter(channels, pushes)
			}
			answer(w, err)
		})
	}
	return mux
}

func twoNumbers(r *http.Request, a, b string) (x, y int, err error) {
	_, err = fmt.Sscan(r.FormValue(a)+" "+r.FormValue(b), &x, &y)
	return x, y, err
}

func answer(w http.ResponseWriter, err error) {
	if err != nil {
		http.Error(w, err.Error(), http.StatusInternalServerError)
	}
}

// footprint collects more than once, because pools and finalizers need two
// collections.
func footprint() Footprint {
	for range 3 {
		debug.FreeOSMemory()
	}
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return Footprint{
		Heap: int64(m.HeapInuse), Stacks: int64(m.StackInuse),
		Goroutines: runtime.NumGoroutine(),
	}
}
