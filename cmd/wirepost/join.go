package main

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"sync/atomic"
	"time"

	"github.com/wirepost/wirepost"
	"github.com/wirepost/wirepost/engine"
)

// starting is the handler of a node: until the node has joined its cluster, it refuses
// every request.
type starting struct {
	phase  phase
	routes atomic.Pointer[http.Handler] // nil: it has not joined yet
}

// ServeHTTP implements http.Handler.
func (s *starting) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if next := s.routes.Load(); next != nil {
		(*next).ServeHTTP(w, r)
		return
	}
	if r.URL.Path == "/healthz" {
		w.Header().Set("Content-Type", "application/json")
		w.Write([]byte(`{"status":"ok"}`)) //nolint:errcheck // the client may be gone
		return
	}
	wirepost.WriteError(w, &wirepost.Error{
		Code: wirepost.CodeUnavailable, Message: "this node is not ready: " + s.phase.String(), RetryAfter: time.Second,
	})
}

// errLeft says that a node was stopped before it had joined.
var errLeft = errors.New("stopped before the node had joined its cluster")

// join opens the engine of a node and makes the server over it, while the HTTP server
// refuses requests. It leaves a.engine nil when ctx is done before that.
func (a *App) join(ctx context.Context, served <-chan error) error {
	opening, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	var opened engine.Shared
	done := make(chan error, 1)
	go func() {
		var err error
		opened, err = openNode(opening, nodeOptions{
			config: &a.Config, store: storeOptions(&a.Config, a.memory, a.files, a.Log),
			url: a.publicURL(), log: a.Log, phase: &a.node.phase, memoryOnly: a.memory.of(memoryOnlyPart),
		})
		done <- err
	}()
	var failed error
	select {
	case failed = <-served:
	case <-ctx.Done():
	case err := <-done:
		return a.joined(opened, err)
	}
	a.Log.Info("stopping before the node has joined its cluster")
	cancel(errLeft)
	if err := <-done; err == nil {
		failed = errors.Join(failed, opened.Close())
	} else if !errors.Is(err, errLeft) && !errors.Is(err, context.Canceled) {
		failed = errors.Join(failed, err)
	}
	return failed
}

// joined makes the server of a node that has joined.
func (a *App) joined(e engine.Shared, err error) error {
	if err != nil {
		return err
	}
	a.engine = e
	if err := a.newServer(); err != nil {
		return err
	}
	routes := a.routes()
	a.node.routes.Store(&routes)
	return nil
}

// publicURL is the URL at which clients reach this node.
func (a *App) publicURL() string {
	if u := a.Config.ClusterURL; u != "" {
		return string(u)
	}
	return a.URL()
}

// halted returns a channel that is closed when this node has stopped to apply the log for
// good. A restart may help, because it fetches a snapshot if that does, so the process
// ends for its supervisor.
func (a *App) halted() <-chan struct{} {
	if h, ok := a.engine.(interface{ Halted() <-chan struct{} }); ok {
		return h.Halted()
	}
	return nil
}

func (a *App) haltedError() error {
	n := self(a.engine.(engine.Shared).Cluster())
	return fmt.Errorf("this node has stopped: %s", n.Reason)
}

// watchNodeEvery is the time between two looks at the state of this node, and
// reportEvery between two reports of how far it is while it catches up.
const (
	watchNodeEvery = 250 * time.Millisecond
	reportEvery    = 5 * time.Second
)

// watchNode logs the state of this node when it changes, until ctx is done.
func (a *App) watchNode(ctx context.Context, e engine.Shared) {
	ticker := time.NewTicker(watchNodeEvery)
	defer ticker.Stop()
	var was engine.NodeState
	var reported time.Time
	for {
		n := self(e.Cluster())
		if n.State != was || n.State == engine.NodeCatchingUp && time.Since(reported) >= reportEvery {
			a.logState(n)
			was, reported = n.State, time.Now()
		}
		select {
		case <-ctx.Done():
			return
		case <-ticker.C:
		}
	}
}

func (a *App) logState(n engine.Node) {
	switch n.State {
	case engine.NodeReady:
		a.Log.Info("the node is ready", "positions", n.Positions)
	case engine.NodeCatchingUp, engine.NodeSnapshot, engine.NodeDraining:
		a.Log.Info("the node is not ready", "state", n.State, "reason", n.Reason, "positions", n.Positions)
	default:
		a.Log.Warn("the node is not ready", "state", n.State, "reason", n.Reason, "positions", n.Positions)
	}
}

// self returns the node that describes a cluster.
func self(c engine.Cluster) engine.Node {
	for _, n := range c.Nodes {
		if n.Name == c.Node {
			return n
		}
	}
	return engine.Node{Name: c.Node}
}
