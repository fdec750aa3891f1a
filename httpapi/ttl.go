package httpapi

import (
	"math"
	"strconv"
	"time"
)

// maxTTL is the longest time to live: what a time.Duration can hold, in whole
// seconds.
const maxTTL = math.MaxInt64 / time.Second * time.Second

// parseTTL reads a time to live as a Go duration: "90s", "1h30m".
func parseTTL(s string) (time.Duration, error) {
	d, err := time.ParseDuration(s)
	if err != nil {
		return 0, badRequest("ttl", "%q is no duration such as 90s or 1h, and no number of seconds", shorten(s))
	}
	return checkTTL(d)
}

// parseSeconds reads a time to live as a number of seconds.
func parseSeconds(s string) (time.Duration, error) {
	seconds, err := strconv.ParseFloat(s, 64)
	switch {
	case err != nil, seconds != seconds, seconds > maxTTL.Seconds():
		return 0, badRequest("ttl", "%q is no possible number of seconds", shorten(s))
	case seconds < 0: // however far below
		seconds = 0
	}
	return checkTTL(time.Duration(seconds * float64(time.Second)))
}

// parseTTLQuery reads a time to live where a number cannot be told from a string.
func parseTTLQuery(s string) (time.Duration, error) {
	if s != "" && isDigit(s[len(s)-1]) {
		return parseSeconds(s)
	}
	return parseTTL(s)
}

func checkTTL(d time.Duration) (time.Duration, error) {
	switch {
	case d <= 0:
		return 0, badRequest("ttl", "a time to live is above zero")
	case d < time.Millisecond:
		return 0, badRequest("ttl", "the shortest time to live is 1ms")
	case d > maxTTL:
		return 0, badRequest("ttl", "the longest time to live is %s", maxTTL)
	}
	return d, nil
}
