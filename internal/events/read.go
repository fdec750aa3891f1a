package events

import (
	"context"
	"time"

	"github.com/wirepost/wirepost/engine"
)

// Read returns events after a sequence, at most limit, and the sequence that the next page
// comes after. Where events are gone there is a gap, also if nothing follows it, but not
// before the first one if the sequence is 0.
func Read(ctx context.Context, log engine.Log, after uint64, limit int, now time.Time) (list []Event, next uint64, err error) {
	list, next = []Event{}, after
	for at := after; len(list) < limit; {
		page, err := log.Read(ctx, Channel, at, limit-len(list), pageBytes)
		if err != nil {
			return nil, 0, err
		}
		for _, rec := range page.Records {
			if at > 0 && rec.Prev > at {
				list = append(list, gapBetween(at, rec.Seq, now))
			}
			if at = rec.Seq; rec.Revokes != 0 {
				continue
			}
			if e, err := decode(rec); err == nil && len(list) < limit {
				list = append(list, e)
			}
		}
		if len(page.Records) == 0 {
			if at > 0 && page.Lost && page.Next > at && len(list) < limit {
				// Everything is missing. A reader is told now, and not with the next event.
				list = append(list, gapBetween(at, page.Next+1, now))
			}
			break
		}
	}
	if len(list) > 0 {
		next = list[len(list)-1].Seq
	}
	return list, next, nil
}
