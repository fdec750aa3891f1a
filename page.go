package wirepost

// The default and the largest limit of a page of messages.
const (
	DefaultLimit = 100
	MaxLimit     = 1000
)

// pageLimit is the limit of a page that a caller asked for.
func pageLimit(limit int) (int, error) {
	if limit == 0 {
		return DefaultLimit, nil
	}
	if limit < 0 || limit > MaxLimit {
		return 0, fieldError("limit", "%d is not from 1 to %d, or 0 for %d", limit, MaxLimit, DefaultLimit)
	}
	return limit, nil
}
