package gateway

import (
	"log/slog"
	"net/http"

	"github.com/wirepost/wirepost/internal/fault"
)

// Refuse responds to a connect request with an error, counts it and logs it.
func (g *Gateway) Refuse(w http.ResponseWriter, r *http.Request, err error) {
	g.refused(err)
	g.logRefusal(r, err)
	fault.Write(w, err)
}

// logRefusal logs the reason of a refusal. The query is left out: it may contain a
// token.
func (g *Gateway) logRefusal(r *http.Request, err error) {
	level := slog.LevelDebug
	if g.config.LogRefusals {
		level = slog.LevelInfo
	}
	if !g.host.Logger.Enabled(r.Context(), level) {
		return
	}
	e := fault.As(err)
	attrs := []any{"path", r.URL.Path, "reason", reasonOf(e), "detail", e.Message, "address", r.RemoteAddr}
	if origin := r.Header.Get("Origin"); origin != "" {
		attrs = append(attrs, "origin", origin)
	}
	if e.Err != nil {
		attrs = append(attrs, "error", e.Err)
	}
	g.host.Logger.Log(r.Context(), level, "refused", attrs...)
}

// refused counts a refusal under its reason.
func (g *Gateway) refused(err error) { g.host.Counters.Refused.Add(reasonOf(fault.As(err))) }

// reasonOf is the exceeded limit, the invalid header, or the code of the error.
func reasonOf(e *fault.Error) string {
	switch {
	case e.Reason != "":
		return e.Reason
	case e.Field == "Origin":
		return reasonOrigin
	}
	return string(e.Code)
}

const (
	reasonOrigin  = "origin"
	reasonWrapper = "response_writer"
)
