package parse

import (
	"encoding/json"
	"math"
	"strconv"
	"time"

	"github.com/wirepost/wirepost/internal/jsonscan"
	"github.com/wirepost/wirepost/internal/strict"
)

// maxDuration is what a time.Duration can hold, in whole seconds.
const maxDuration = math.MaxInt64 / time.Second * time.Second

// nouns are what the fields are called that hold a duration.
var nouns = map[string]string{"ttl": "time to live", "delay": "delay", "after": "time after which a step is taken"}

// Duration reads a field in a query, where a number has no type.
func Duration(field, s string) (time.Duration, error) {
	if s != "" && jsonscan.IsDigit(s[len(s)-1]) {
		return parseSeconds(field, s)
	}
	return parseDuration(field, s)
}

// readDuration reads a duration as a string, or a number of seconds.
func readDuration(field string, value json.RawMessage) (time.Duration, error) {
	switch c := value[0]; {
	case c == '"':
		s, err := Text(field, value)
		if err != nil {
			return 0, err
		}
		return parseDuration(field, s)
	case c == '-' || jsonscan.IsDigit(c):
		return parseSeconds(field, string(value))
	}
	return 0, BadRequest(field, "it must be a duration or a number of seconds, not %s", strict.Kind(value))
}

// parseDuration reads a Go duration: "90s", "1h30m".
func parseDuration(field, s string) (time.Duration, error) {
	d, err := time.ParseDuration(s)
	if err != nil {
		return 0, BadRequest(field, "%q is neither a duration such as 90s or 1h nor a number of seconds", Shorten(s))
	}
	return checkDuration(field, d)
}

func parseSeconds(field, s string) (time.Duration, error) {
	seconds, err := strconv.ParseFloat(s, 64)
	switch {
	case err != nil, seconds != seconds, seconds > maxDuration.Seconds():
		return 0, BadRequest(field, "%q is not a possible number of seconds", Shorten(s))
	case seconds < 0: // however far below
		seconds = 0
	}
	return checkDuration(field, time.Duration(seconds*float64(time.Second)))
}

func checkDuration(field string, d time.Duration) (time.Duration, error) {
	switch noun := nouns[field]; {
	case d <= 0:
		return 0, BadRequest(field, "a %s is above zero", noun)
	case d < time.Millisecond:
		return 0, BadRequest(field, "the shortest %s is 1ms", noun)
	case d > maxDuration:
		return 0, BadRequest(field, "the longest %s is %s", noun, maxDuration)
	}
	return d, nil
}

// At reads a time, in milliseconds since 1970.
func At(field, s string) (time.Time, error) {
	ms, err := strconv.ParseInt(s, 10, 64)
	if err != nil || ms <= 0 || ms > maxMilli {
		return time.Time{}, BadRequest(field, "%s is not a time in milliseconds since 1970, such as 1789000000000", Shorten(s))
	}
	return time.UnixMilli(ms), nil
}

// maxMilli is the last time that can be written with four digits for the year.
const maxMilli = 253402300799999
