package httpapi

import (
	"net/http"
	"strconv"

	"github.com/wirepost/wirepost"
)

// scheduled is GET /v1/scheduled.
func (a *api) scheduled(w http.ResponseWriter, r *request) error {
	limit, err := r.number("limit", defaultLimit, 1, maxLimit)
	if err != nil {
		return err
	}
	to, err := r.narrow("to", "those to all channels are listed")
	if err != nil {
		return err
	}
	q := wirepost.ScheduledQuery{To: to, After: r.query.Get("after"), Limit: int(limit)}
	list, next, err := a.srv.Scheduled(r.Context(), q)
	if err != nil {
		return err
	}
	out := append(getBuffer().AvailableBuffer(), `{"scheduled":[`...)
	for i, p := range list {
		if i > 0 {
			out = append(out, ',')
		}
		out = append(appendScheduled(out, p.To, p.ID, p.At.UnixMilli()), '}')
	}
	out = appendString(append(out, `],"next":`...), next)
	return writeBody(w, http.StatusOK, append(out, '}'))
}

// cancel is DELETE /v1/scheduled/{id}.
func (a *api) cancel(w http.ResponseWriter, r *request) error {
	to, err := r.narrow("to", "those to all channels are canceled")
	if err == nil {
		err = a.srv.CancelScheduled(r.Context(), r.id, to)
	}
	if err != nil {
		return err
	}
	w.WriteHeader(http.StatusNoContent)
	return nil
}

// appendScheduled appends the object of a scheduled push without its end.
func appendScheduled(dst []byte, to, id string, at int64) []byte {
	dst = appendString(append(dst, `{"to":`...), to)
	dst = appendString(append(dst, `,"id":`...), id)
	return strconv.AppendInt(append(dst, `,"at":`...), at, 10)
}
