package gateway

import (
	"fmt"
	"net/http"

	"github.com/wirepost/wirepost/internal/fault"
)

// A WebSocket takes its connection from net/http, and a stream of events flushes
// its response. Middleware that wraps the ResponseWriter may take either ability
// away; it then has to have a method Unwrap, as for http.ResponseController.

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

// needs looks for an ability, named as the interface that has it, in a
// ResponseWriter and in those it wraps. Where it is missing that is logged, once for
// each type of wrapper, and the request cannot be served.
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

// wrapped logs that a ResponseWriter is in the way, and makes the error to answer
// with.
func (g *Gateway) wrapped(w http.ResponseWriter, ability string, err error) error {
	name := fmt.Sprintf("%T", w)
	if _, logged := g.wrappers.LoadOrStore(name+" "+ability, true); !logged {
		attrs := []any{"type", name, "ability", ability}
		if err != nil {
			attrs = append(attrs, "error", err)
		}
		g.host.Logger.Error("middleware keeps clients from connecting: its ResponseWriter has neither this ability nor a method Unwrap", attrs...)
	}
	return &fault.Error{Code: fault.Internal, Message: "this server is set up so that it cannot serve this connection; its log says why", Err: err, Reason: reasonWrapper}
}
