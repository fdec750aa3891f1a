package main

import (
	"bytes"
	"maps"
	"net/http"
	"slices"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/wirepost/wirepost"
	"github.com/wirepost/wirepost/console"
	"github.com/wirepost/wirepost/httpapi"
	"github.com/wirepost/wirepost/js"
	collector "github.com/wirepost/wirepost/prometheus"
)

// routes returns the handler of all routes. It compares paths unmodified:
// http.ServeMux would clean paths that contain channel names, and redirect.
func (a *App) routes() http.Handler {
	own, api := a.ownRoutes(), a.api()
	var all http.Handler = http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if h, ok := own[r.URL.Path]; ok {
			h.ServeHTTP(w, r)
			return
		}
		api.ServeHTTP(w, r)
	})
	if a.Config.Dev {
		all = httpapi.LocalOnly(all, a.server.Refuse, texts(a.Config.AllowOrigin)...)
	}
	return proxies(a.Config.TrustedProxy).believe(all)
}

// ownRoutes returns the handlers of all paths that are not the API's.
func (a *App) ownRoutes() map[string]http.Handler {
	c := &a.Config
	own := map[string]http.Handler{
		"/ws": a.server, "/sse": a.server.Events(), "/poll": a.server.Poll(),
		"/wirepost.js": js.Handler(), "/wirepost-more.js": js.Handler(),
		"/wirepost-notify.js": js.Handler(), "/wirepost-sw.js": js.Handler(), "/wirepost-persist.js": js.Handler(),
		"/echo": off("--echo"), "/console": off("--console"),
	}
	if c.Echo {
		own["/echo"] = a.server.Echo()
	}
	if c.Console {
		maps.Copy(own, console.Routes(console.Options{Dev: c.Dev, Echo: c.Echo, Cluster: c.clustered(), WebPush: a.options.WebPush.Subject != ""}))
	}
	if c.Dev && c.Console {
		own["/"] = http.RedirectHandler("/console", http.StatusFound)
	}
	// Connections of clients have their own deadlines for responses, and the API for both.
	for path, h := range own {
		if slices.Contains([]string{"/ws", "/sse", "/poll", "/echo"}, path) {
			h = a.ifMemory(h)
		} else {
			h = httpapi.SlowReaders(h)
		}
		own[path] = httpapi.SlowBodies(h)
	}
	return own
}

// api returns the handler of the API.
func (a *App) api() http.Handler {
	c := &a.Config
	o := httpapi.Options{
		Keys: texts(c.APIKey), Dev: c.Dev, AllowOrigins: texts(c.AllowOrigin),
		PushRate: int(c.PushRate), PushMemory: a.memory.of(pushPart),
		Ready: a.ready, Draining: a.draining, Logger: a.Log, Collectors: a.collectors(),
		Settings: c.Settings,
	}
	if a.hooks != nil { // a nil *Hooks would be a HookSource
		o.Hooks = a.hooks
	}
	return httpapi.New(a.server, o)
}

// off responds for a route that a flag turns on.
func off(flag string) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		wirepost.WriteError(w, wirepost.Errorf(wirepost.CodeNotFound, "this is off: %s turns it on", flag))
	})
}

// isSmall reports whether package http1 serves a request: a push, or a handshake unless a
// hook is asked about it, which ends when the client goes.
func (a *App) isSmall(method string, target []byte) bool {
	if method == http.MethodPost {
		return isPush(target)
	}
	path, _, _ := bytes.Cut(target, []byte{'?'})
	return string(path) == "/ws" && a.hooks == nil
}

// isPush reports whether a POST for a target is a push.
func isPush(target []byte) bool {
	rest, ok := bytes.CutPrefix(target, []byte("/v1/push"))
	return ok && (len(rest) == 0 || rest[0] == '/' || rest[0] == '?')
}

// ifMemory refuses new connections while the existing ones have used up their share
// of memory.
func (a *App) ifMemory(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if a.heap.full.Load() {
			a.server.CountRefusal("memory")
			a.Log.Debug("refused", "path", r.URL.Path, "reason", "memory", "address", r.RemoteAddr)
			wirepost.WriteError(w, &wirepost.Error{
				Code: wirepost.CodeUnavailable, Message: "this server has insufficient memory for more connections", RetryAfter: 5 * time.Second,
			})
			return
		}
		next.ServeHTTP(w, r)
	})
}

// collectors returns the metrics of the command's parts besides the server.
func (a *App) collectors() []prometheus.Collector {
	all := []prometheus.Collector{buildInfo()}
	if a.hooks != nil {
		all = append(all, collector.NewHooksCollector(a.hooks))
	}
	return all
}
