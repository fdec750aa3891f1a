package parse

import (
	"math"
	"strconv"
	"time"

	"github.com/wirepost/wirepost/internal/jsonscan"
)

// maxTTL is the longest time to live: what a time.Duration can hold, in whole
// seconds.
const maxTTL = math.MaxInt64 / time.Second * time.Second

// parseTTL reads a time to live as a Go duration: "90s", "1h30m".
func parseTTL(s string) (time.Duration, error) {
	d, err := time.ParseDuration(s)
	if err != nil {
		return 0, BadRequest("ttl", "%q is neither a duration such as 90s or 1h nor a number of seconds", Shorten(s))
	}
	return checkTTL(d)
}

// parseSeconds reads a time to live as a number of seconds.
func parseSeconds(s string) (time.Duration, error) {
	seconds, err := strconv.ParseFloat(s, 64)
	switch {
	case err != nil, seconds != seconds, seconds > maxTTL.Seconds():
		return 0, BadRequest("ttl", "%q is not a possible number of seconds", Shorten(s))
	case seconds < 0: // however far below
		seconds = 0
	}
	return checkTTL(time.Duration(seconds * float64(time.Second)))
}

// TTL reads a time to live in a query, where a number has no type.
func TTL(s string) (time.Duration, error) {
	if s != "" && jsonscan.IsDigit(s[len(s)-1]) {
		return parseSeconds(s)
	}
	return parseTTL(s)
}

func checkTTL(d time.Duration) (time.Duration, error) {
	switch {
	case d <= 0:
		return 0, BadRequest("ttl", "a time to live is above zero")
	case d < time.Millisecond:
		return 0, BadRequest("ttl", "the shortest time to live is 1ms")
	case d > maxTTL:
		return 0, BadRequest("ttl", "the longest time to live is %s", maxTTL)
	}
	return d, nil
}
