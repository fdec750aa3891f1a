package client

import (
	"errors"
	"fmt"
	"maps"
	"net/http"
	"slices"
	"strings"
	"time"
)

// BackendOptions are all optional.
type BackendOptions struct {
	// Key is one of the server's API keys; none is needed in dev mode.
	Key string
	// Nodes are the URLs of the other nodes of a cluster, as for NewBackend. Requests go to
	// one node until it cannot be reached, refuses with 5xx or does not answer in time; then
	// they go to the next, and those that may be repeated are. The order is random.
	Nodes []string
	// InOrder begins at the URL of NewBackend and keeps to the order of Nodes.
	InOrder bool
	// HTTP is the client to use. Its Timeout, if set, also cuts streams. nil means
	// one that this Backend has to itself.
	HTTP *http.Client
	// Timeout bounds one attempt at a request, from connecting to the last byte of
	// the response; 0 means 30 s. Of a Stream it bounds the time in which pushes that were
	// sent get no result. A node of a cluster may answer after 10 s, while another takes
	// over the log.
	Timeout time.Duration
	// MinWait and MaxWait bound the pause before another attempt at the same node: a
	// random time up to a limit that doubles from MinWait to MaxWait. A Retry-After of the
	// node replaces it. 0 means 100 ms and 10 s.
	MinWait, MaxWait time.Duration
	// Attempts is the largest number of attempts at a request; for a stream, the
	// number in a row that brought no result. 0 means until the context ends.
	Attempts int
}

func (o *BackendOptions) check() error {
	switch {
	case o.Attempts < 0:
		return fmt.Errorf("client: BackendOptions.Attempts is %d: use a positive number, or 0 for no limit", o.Attempts)
	case strings.ContainsAny(o.Key, " \t\r\n"):
		return errors.New("client: BackendOptions.Key contains white space")
	}
	return checkDurations("BackendOptions", map[string]time.Duration{
		"Timeout": o.Timeout, "MinWait": o.MinWait, "MaxWait": o.MaxWait,
	})
}

// checkDurations refuses durations of a struct that are negative, and waits that end
// before they begin.
func checkDurations(of string, fields map[string]time.Duration) error {
	for _, name := range slices.Sorted(maps.Keys(fields)) {
		if fields[name] < 0 {
			return fmt.Errorf("client: %s.%s is %s: use a positive duration, or 0 for the default", of, name, fields[name])
		}
	}
	if least, most := fields["MinWait"], fields["MaxWait"]; most > 0 && least > most {
		return fmt.Errorf("client: %s.MinWait is %s, longer than MaxWait, %s", of, least, most)
	}
	return nil
}
