package gateway

import (
	"fmt"
	"net/http"

	"github.com/wirepost/wirepost/internal/fault"
)

// A WebSocket takes its connection over from net/http, and an event stream flushes its
// response. Middleware that wraps the ResponseWriter may hide either ability; it must
// then have a method Unwrap, as for http.ResponseController.

func canHijack(w http.ResponseWriter) bool {
	_, ok := w.(http.Hijacker)
	return ok
}

func canFlush(w http.ResponseWriter) bool {
	switch w.(type) {
	case http.Flusher, interface{ FlushError() error }:
		return true
	}
	return false
}

// needs looks for an ability, given as the name of its interface, in a ResponseWriter
// and the ones it wraps. If it is missing, the request fails, and each type of wrapper
// is logged once.
func (g *Gateway) needs(w http.ResponseWriter, can func(http.ResponseWriter) bool, ability string) error {
	for !can(w) {
		inner, ok := w.(interface{ Unwrap() http.ResponseWriter })
		if !ok {
			return g.wrapped(w, ability, nil)
		}
		w = inner.Unwrap()
	}
	return nil
}

// wrapped logs that a ResponseWriter lacks an ability, and returns the error of the
// response.
func (g *Gateway) wrapped(w http.ResponseWriter, ability string, err error) error {
	name := fmt.Sprintf("%T", w)
	if _, logged := g.wrappers.LoadOrStore(name+" "+ability, true); !logged {
		attrs := []any{"type", name, "ability", ability}
		if err != nil {
			attrs = append(attrs, "error", err)
		}
		g.host.Logger.Error("middleware keeps clients from connecting: its ResponseWriter has neither this ability nor a method Unwrap", attrs...)
	}
	return &fault.Error{Code: fault.Internal, Message: "this server's configuration prevents this connection; see its log", Err: err, Reason: reasonWrapper}
}
