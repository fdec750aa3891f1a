package client

import (
	"net/url"
	"strconv"
)

// ReadOption is an option of a request that reads a channel.
type ReadOption func(query url.Values)

// MinSeq makes the request wait until the channel's head is at least a sequence. With
// the Seq of a PushResult the response includes that message, whichever node of a cluster
// answers. A node that has not reached it within 5 s responds with 503.
func MinSeq(seq uint64) ReadOption {
	return func(query url.Values) { query.Set("min_seq", strconv.FormatUint(seq, 10)) }
}

// read adds the options to a query.
func read(query url.Values, options []ReadOption) url.Values {
	for _, set := range options {
		set(query)
	}
	return query
}
