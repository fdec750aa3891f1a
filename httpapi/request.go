package httpapi

import (
	"math"
	"net/http"
	"net/url"
	"slices"
	"strconv"

	"github.com/wirepost/wirepost/httpapi/internal/parse"
)

// request is a request for a route, with the names in its path.
type request struct {
	*http.Request
	key                          *knownKey
	user, channel, seq, node, id string
	query                        url.Values
	body                         pacedBody // of readBody
}

func (r *request) setName(variable, name string) {
	switch variable {
	case "user":
		r.user = name
	case "channel":
		r.channel = name
	case "seq":
		r.seq = name
	case "node":
		r.node = name
	case "id":
		r.id = name
	}
}

// parseQuery reads the query. It refuses a parameter that the route does not know,
// because it may be a misspelt one: without its "connection" a request to disconnect one
// session would disconnect them all.
func (r *request) parseQuery(known []string) error {
	if r.URL.RawQuery == "" || slices.Contains(known, "*") {
		return nil
	}
	query, err := url.ParseQuery(r.URL.RawQuery)
	if err != nil {
		return parse.BadRequest("", "the query does not parse: %s", err)
	}
	raw := slices.Contains(known, "ttl") // no other request has it
	for name, values := range query {
		if raw && slices.Contains(onlyJSON, name) {
			return parse.BadRequest(name, "a raw push has no %s: push JSON to /v1/push", name)
		}
		if !slices.Contains(known, name) {
			return parse.BadRequest(name, "there is no query parameter %q here", name)
		}
		if len(values) > 1 {
			return parse.BadRequest(name, "the query parameter is given %d times", len(values))
		}
	}
	r.query = query
	return nil
}

// narrow reads a query parameter that limits what a request concerns. Empty is not the same as
// absent: whoever forgot a value does not mean all.
func (r *request) narrow(name, absent string) (string, error) {
	value := r.query.Get(name)
	if value == "" && r.query.Has(name) {
		return "", parse.BadRequest(name, "it is empty; without the parameter, %s", absent)
	}
	return value, nil
}

// number reads a query parameter that is an integer from low to high; absent is its
// value if it is not given.
func (r *request) number(name string, absent, low, high uint64) (uint64, error) {
	if !r.query.Has(name) {
		return absent, nil
	}
	n, err := strconv.ParseUint(r.query.Get(name), 10, 64)
	switch {
	case err == nil && n >= low && n <= high:
		return n, nil
	case high == math.MaxUint64:
		return 0, parse.BadRequest(name, "it must be an integer, at least %d", low)
	}
	return 0, parse.BadRequest(name, "it must be an integer from %d to %d", low, high)
}

// onlyJSON are the fields of a push that a raw push does not have.
var onlyJSON = []string{"escalate", "until", "notification", "traceparent"}
