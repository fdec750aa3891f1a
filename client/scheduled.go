package client

import (
	"context"
	"net/http"
	"net/url"
	"strconv"
	"time"
)

// Scheduled is a push that is scheduled.
type Scheduled struct {
	To, ID string
	At     time.Time
}

// Scheduled lists the scheduled pushes to a channel, or all if channel is "", in the order of
// their channels and IDs, at most limit (0: 100). After is "" or the next of the page before;
// next is the same as after if there was nothing more.
func (b *Backend) Scheduled(ctx context.Context, channel, after string, limit int) (list []Scheduled, next string, err error) {
	query := url.Values{}
	for name, value := range map[string]string{"to": channel, "after": after} {
		if value != "" {
			query.Set(name, value)
		}
	}
	if limit != 0 {
		query.Set("limit", strconv.Itoa(limit))
	}
	var result struct {
		Scheduled []scheduledResult `json:"scheduled"`
		Next      string            `json:"next"`
	}
	if err := b.repeat(ctx, call{method: http.MethodGet, path: "/v1/scheduled", query: query, result: &result}); err != nil {
		return nil, "", err
	}
	for _, s := range result.Scheduled {
		list = append(list, Scheduled{To: s.To, ID: s.ID, At: time.UnixMilli(s.At)})
	}
	return list, result.Next, nil
}

// CancelScheduled cancels the scheduled push to a channel that has an ID, or those to all
// channels if channel is "". ErrNotFound means that there is none: it was made, or never
// scheduled.
func (b *Backend) CancelScheduled(ctx context.Context, id, channel string) error {
	query := url.Values{}
	if channel != "" {
		query.Set("to", channel)
	}
	return b.send(ctx, call{method: http.MethodDelete, path: resource("v1/scheduled", id), query: query})
}
