package events

import (
	"context"
	"math"
	"time"

	"github.com/wirepost/wirepost/engine"
)

// Read returns events after a sequence, at most limit, and the sequence that the next page
// comes after. Where events are gone there is a gap, also if nothing follows it, but not
// before the first one if the sequence is 0. A sequence above the last one is of another log,
// which there is a gap for, too; the largest number just means the last one.
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
			switch {
			case at > 0 && page.Lost && page.Next > at && len(list) < limit:
				// Everything is missing. A reader is told now, and not with the next event.
				list = append(list, gapBetween(at, page.Next+1, now))
			case at == after && page.Next <= at: // perhaps above the last sequence
				return readAbove(ctx, log, after, now)
			}
			break
		}
	}
	if len(list) > 0 {
		next = list[len(list)-1].Seq
	}
	return list, next, nil
}

// readAbove is Read of a sequence after which there is nothing.
func readAbove(ctx context.Context, log engine.Log, after uint64, now time.Time) ([]Event, uint64, error) {
	bounds, err := log.Bounds(ctx, Channel)
	switch {
	case err != nil:
		return nil, 0, err
	case after <= bounds.Head:
		return []Event{}, after, nil
	case after == math.MaxUint64:
		return []Event{}, bounds.Head, nil
	}
	gap := gapBetween(after, bounds.Head+1, now)
	gap.Data.Reason = "reset"
	return []Event{gap}, bounds.Head, nil
}
