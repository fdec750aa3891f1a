package httpapi

import (
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"os"
	"runtime/debug"
	"strings"

	"github.com/wirepost/wirepost"
)

// handler responds to a request, or returns the error to respond with if it has written
// nothing.
type handler func(a *api, w http.ResponseWriter, r *request) error

// route is one line of the API. Its path is made of literal segments and of
// {user}, {channel}, {seq}, {node}, {id}, each of which stands for one segment, in which a
// slash is written %2F. A name at the end of the path, after which nothing can follow,
// is written {channel...}: there a plain slash is allowed, too.
type route struct {
	path    string
	methods []method
	public  bool // needs no key
	push    bool // methods other than GET need a key for pushing, not for everything
	admin   bool // its GET needs a key for everything, too
}

type method struct {
	name   string
	params []string // of the query; any other is refused
	handle handler
}

// routes is the API. Every path is here once; the order does not matter.
var routes = []route{
	{path: "/v1/push", push: true, methods: []method{{"POST", nil, (*api).push}}},
	{path: "/v1/push/{channel...}", push: true, methods: []method{{"POST", []string{"id", "key", "ttl", "at", "delay"}, (*api).pushRaw}}},
	{path: "/v1/scheduled", methods: []method{{"GET", []string{"to", "after", "limit"}, (*api).scheduled}}},
	{path: "/v1/scheduled/{id...}", push: true, methods: []method{{"DELETE", []string{"to"}, (*api).cancel}}},
	{path: "/v1/users", methods: []method{{"GET", []string{"prefix", "online", "after", "limit"}, (*api).users}}},
	{path: "/v1/users/{user}", methods: []method{{"GET", nil, (*api).user}}},
	{path: "/v1/users/{user}/sessions", methods: []method{{"DELETE", []string{"connection", "revoke_before"}, (*api).disconnect}}},
	{path: "/v1/users/{user}/messages", methods: []method{{"GET", []string{"after", "before", "limit", minSeq}, (*api).inbox}}},
	{path: "/v1/users/{user}/read", methods: []method{{"POST", nil, (*api).markRead}}},
	{path: "/v1/users/{user}/channels/{channel...}", methods: []method{
		{"PUT", nil, (*api).join},
		{"DELETE", nil, (*api).leave},
	}},
	{path: "/v1/users/{user}/webpush", methods: []method{
		{"GET", nil, (*api).webPush},
		{"PUT", nil, (*api).addWebPush},
		{"DELETE", []string{"endpoint"}, (*api).removeWebPush},
	}},
	{path: "/v1/channels", methods: []method{{"GET", []string{"prefix", "after", "limit"}, (*api).channels}}},
	{path: "/v1/channels/{channel}", methods: []method{
		{"GET", []string{minSeq}, (*api).channel},
		{"DELETE", nil, (*api).empty},
	}},
	{path: "/v1/channels/{channel}/presence", methods: []method{{"GET", nil, (*api).presence}}},
	{path: "/v1/channels/{channel}/messages", methods: []method{{"GET", []string{"after", "before", "limit", minSeq}, (*api).messages}}},
	{path: "/v1/channels/{channel}/messages/{seq}", methods: []method{
		{"GET", []string{minSeq}, (*api).message},
		{"DELETE", nil, (*api).revoke},
	}},
	{path: "/v1/events", methods: []method{{"GET", []string{"after", "limit", "wait"}, (*api).events}}},
	{path: "/v1/vapid", methods: []method{
		{"GET", nil, (*api).vapid},
		{"PUT", nil, (*api).importVAPID},
	}},
	{path: "/v1/stats", methods: []method{{"GET", []string{"top"}, (*api).stats}}},
	{path: "/v1/stats/history", methods: []method{{"GET", nil, (*api).trend}}},
	{path: "/v1/store", methods: []method{{"GET", []string{"count"}, (*api).store}}},
	{path: "/v1/config", admin: true, methods: []method{{"GET", nil, (*api).config}}},
	{path: "/v1/cluster", methods: []method{{"GET", nil, (*api).cluster}}},
	{path: "/v1/cluster/repair", methods: []method{{"POST", []string{"abandon"}, (*api).repair}}},
	{path: "/v1/cluster/nodes/{node}", methods: []method{{"DELETE", nil, (*api).forget}}},
	{path: "/v1/backup", methods: []method{{"POST", nil, (*api).backup}}},
	{path: "/v1/openapi.json", methods: []method{{"GET", nil, (*api).openAPI}}},
	{path: "/metrics", methods: []method{{"GET", []string{"*"}, (*api).serveMetrics}}},
	{path: "/healthz", public: true, methods: []method{{"GET", []string{"*"}, (*api).healthz}}},
	{path: "/readyz", public: true, methods: []method{{"GET", []string{"*"}, (*api).readyz}}},
}

// ServeHTTP implements http.Handler.
func (a *api) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	defer a.recover(w, r)
	limitResponse(w)
	limitBody(w, r)
	if err := a.serve(w, r); err != nil {
		a.fail(w, r, err)
	}
}

func (a *api) serve(w http.ResponseWriter, r *http.Request) error {
	req := &request{Request: r}
	rt := findRoute(req)
	if rt == nil {
		return notFound(r.URL)
	}
	if req.key = a.anyone; req.key == nil && !rt.public {
		if req.key = a.keys.find(r.Header); req.key == nil {
			a.srv.CountRefusal(refusedNoKey)
			return refusedKey(r.Header)
		}
	}
	m := rt.method(r.Method)
	if m == nil {
		w.Header().Set("Allow", rt.allow())
		return &wirepost.Error{
			Code: wirepost.CodeBadRequest, Status: http.StatusMethodNotAllowed,
			Message: fmt.Sprintf("%s is not possible here, only %s", r.Method, rt.allow()),
		}
	}
	if need := rt.scope(m); !rt.public && !req.key.scope.Has(need) {
		a.srv.CountRefusal(refusedScopes)
		return refusedScope(req.key.scope, need)
	}
	if err := req.parseQuery(m.params); err != nil {
		return err
	}
	return m.handle(a, w, req)
}

// fail responds with an error. The log gets what the client is not shown, unless it is
// only that the client is gone.
func (a *api) fail(w http.ResponseWriter, r *http.Request, err error) {
	if e := wirepost.AsError(err); e.Code == wirepost.CodeInternal && r.Context().Err() == nil {
		a.logger.Error("request failed", "method", r.Method, "path", r.URL.Path, "error", err)
	}
	if errors.Is(err, os.ErrDeadlineExceeded) {
		a.srv.CountRefusal(refusedSlow)
	} else {
		hurryBody(w, r)
	}
	wirepost.WriteError(w, err)
}

// recover logs a panic of a handler and aborts the connection, so that the client does
// not take the response for a complete one.
func (a *api) recover(w http.ResponseWriter, r *http.Request) {
	p := recover()
	if p == nil {
		return
	}
	if err, ok := p.(error); !ok || !errors.Is(err, http.ErrAbortHandler) {
		a.logger.Error("panic in a request", "method", r.Method, "path", r.URL.Path, "panic", p, "stack", string(debug.Stack()))
	}
	panic(http.ErrAbortHandler)
}

// findRoute finds the route of a request and fills in the names of its path. It uses the
// escaped path, because a name may contain slashes.
func findRoute(r *request) *route {
	path := r.URL.EscapedPath()
	for i := range routes {
		if routes[i].match(path, r) {
			return &routes[i]
		}
	}
	return nil
}

// match reports whether a path is the route's.
func (rt *route) match(path string, r *request) bool {
	pattern := rt.path
	for pattern != "" {
		var want, got string
		want, pattern = cutSegment(pattern)
		if strings.HasSuffix(want, "...}") {
			got, path = strings.TrimPrefix(path, "/"), ""
		} else {
			got, path = cutSegment(path)
		}
		if want[0] != '{' {
			if want != got {
				return false
			}
			continue
		}
		// Plain slashes around a name are a mistake, not a part of it.
		name, err := url.PathUnescape(got)
		if err != nil || got == "" || strings.Contains("/"+got+"/", "//") {
			return false
		}
		r.setName(strings.Trim(want, "{.}"), name)
	}
	return path == ""
}

// cutSegment splits "/a/b" into "a" and "/b".
func cutSegment(path string) (segment, rest string) {
	path = strings.TrimPrefix(path, "/")
	if i := strings.IndexByte(path, '/'); i >= 0 {
		return path[:i], path[i:]
	}
	return path, ""
}

// method finds the route's method. HEAD is allowed wherever GET is.
func (rt *route) method(name string) *method {
	if name == http.MethodHead {
		name = http.MethodGet
	}
	for i := range rt.methods {
		if rt.methods[i].name == name {
			return &rt.methods[i]
		}
	}
	return nil
}

// scope is what a key needs for a method.
func (rt *route) scope(m *method) Scope {
	switch {
	case m.name == http.MethodGet && !rt.admin:
		return Read
	case rt.push:
		return Push
	}
	return Admin
}

func (rt *route) allow() string {
	var names []string
	for _, m := range rt.methods {
		names = append(names, m.name)
		if m.name == http.MethodGet {
			names = append(names, http.MethodHead)
		}
	}
	return strings.Join(names, ", ")
}

// notFound says that there is no such route, and what the reason may be.
func notFound(u *url.URL) error {
	detail := "there is no such route; /v1/openapi.json lists them"
	if path := u.EscapedPath(); strings.HasPrefix(path, "/v1/channels/") || strings.HasPrefix(path, "/v1/users/") {
		detail += "; a slash inside a name is written %2F"
	}
	return &wirepost.Error{Code: wirepost.CodeNotFound, Message: detail}
}
