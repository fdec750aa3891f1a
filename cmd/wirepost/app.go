package main

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/netip"
	"os"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"time"

	"github.com/wirepost/wirepost"
	"github.com/wirepost/wirepost/engine"
	"github.com/wirepost/wirepost/hooks"
	"github.com/wirepost/wirepost/httpapi"
	"github.com/wirepost/wirepost/internal/http1"
)

// App is a server as dev and serve run it. It can be run once.
type App struct {
	Config Config
	Out    io.Writer // receives the line with the address
	Log    *slog.Logger
	ACME   *http.Client // asks for certificates; nil: http.DefaultClient
	// Reload receives a value when the server should reload its certificate and key
	// set.
	Reload <-chan os.Signal

	// Made by settle, of the settings.
	options wirepost.Options // of the server, complete but for its engine
	memory  *memoryPlan
	reloads reloads
	hooks   *hooks.Hooks // nil: there are none
	traces  *traces      // nil: there are none

	// Made by open, for connections.
	listener net.Listener
	files    files
	http     *http.Server
	small    *http1.Server
	draining chan struct{} // closed when shutdown begins

	// Made by open, or by join on a node of a cluster.
	node   *starting // nil: this is not a node of a cluster
	engine engine.Engine
	server *wirepost.Server

	// Shared by Run with handlers and the listener, which may come before the server.
	heap     heap
	leaving  atomic.Bool // about to shut down: not ready, but still serving
	counting atomic.Pointer[wirepost.Server]
}

// Run serves until ctx is done and then drains: it returns within Config.Drain,
// whether or not clients respond. A shutdown by ctx is not an error unless the store
// had failed.
func (a *App) Run(ctx context.Context) error {
	if err := a.open(); err != nil {
		a.Close() //nolint:errcheck // what there is of it has done nothing yet
		return err
	}
	ctx, stop := context.WithCancel(ctx)
	served := a.serve()
	var tidying sync.WaitGroup
	defer tidying.Wait()
	defer stop()
	tidying.Go(func() { a.heap.run(ctx, a.memory.goLimit()) })
	announce(a.Out, &a.Config, a.URL())
	if a.node != nil {
		if err := a.join(ctx, served); err != nil || a.engine == nil {
			a.Close() //nolint:errcheck // the first error counts
			return err
		}
		e := a.engine.(engine.Shared)
		tidying.Go(func() { a.watchNode(ctx, e) })
	}
	a.Log.Info("started", "version", version(), "address", a.URL(), "engine", a.Config.Engine, "epoch", a.engine.Epoch(),
		"files", a.files.limit)
	a.memory.log(a.Log)
	for going := true; going; {
		select {
		case err := <-served:
			a.Close() //nolint:errcheck // the listener's error is what counts
			return err
		case <-a.halted():
			return errors.Join(a.haltedError(), a.end(served))
		case <-a.Reload:
			a.reload(ctx)
		case <-ctx.Done():
			going = false
		}
	}
	if err := a.linger(served); err != nil {
		a.Close() //nolint:errcheck // the listener's error is what counts
		return err
	}
	return a.end(served)
}

// end drains, and also returns in time if something hangs, such as the disk.
// Successful pushes are stored in that case too.
func (a *App) end(served <-chan error) error {
	limit := time.Duration(a.Config.Drain)
	late := time.NewTimer(limit)
	defer late.Stop()
	drained := make(chan error, 1)
	go func() { drained <- a.drain(limit) }()
	select {
	case err := <-drained:
		<-served // it returns when the listener is closed
		return err
	case <-late.C:
		return fmt.Errorf("shutdown did not finish within %s", limit)
	}
}

// linger keeps serving for Config.DrainDelay while /readyz reports that the server
// is about to shut down.
func (a *App) linger(served <-chan error) error {
	delay := time.Duration(a.Config.DrainDelay)
	if delay == 0 {
		return nil
	}
	a.leaving.Store(true)
	a.Log.Info("no longer ready, draining after the delay", "delay", delay)
	select {
	case err := <-served:
		return err
	case <-time.After(delay):
		return nil
	}
}

// ready implements the check of /readyz.
func (a *App) ready() error {
	if a.leaving.Load() {
		return &wirepost.Error{Code: wirepost.CodeUnavailable, Message: "the server is about to shut down", RetryAfter: time.Second}
	}
	return nil
}

// reload reloads everything. Failures are logged, and the previous values stay in
// use.
func (a *App) reload(ctx context.Context) {
	for i, reload := range a.reloads.all {
		if err := reload(ctx); err != nil {
			a.Log.Error("reload failed, keeping the previous value", "what", a.reloads.names[i], "error", err)
			continue
		}
		a.Log.Info("reloaded", "what", a.reloads.names[i])
	}
	if len(a.reloads.all) == 0 {
		a.Log.Info("nothing to reload: this server has neither certificate files nor a key set")
	}
}

// serve starts accepting connections. The channel receives the error that stopped
// it.
func (a *App) serve() <-chan error {
	served := make(chan error, 1)
	server, listener := a.http, a.listener
	go func() {
		if server.TLSConfig != nil {
			served <- server.ServeTLS(listener, "", "")
			return
		}
		served <- server.Serve(listener)
	}()
	return served
}

// open prepares everything that can fail, except for what a node of a cluster waits for:
// join does that. It listens before it opens the store, so that a second server started
// by mistake creates no store. Clients that connect in between wait until serve.
func (a *App) open() error {
	encryption, err := a.settle()
	if err != nil {
		return err
	}
	a.Log.Info("starting", "version", version(), "data", a.Config.Data)
	if a.listener, err = a.Config.Listen.listen(a.Config.SocketMode); err != nil {
		return wordListenError(a.Config.Listen, err)
	}
	if a.files, err = divideFiles(maxFiles()); err != nil {
		return err
	}
	if a.hooks != nil {
		a.files.reserve(int(a.Config.HookConcurrency))
	}
	if a.files.limit > 0 {
		a.listener = &guardedListener{
			Listener: a.listener, files: a.files, open: openFiles, log: a.Log,
			refused: a.countRefusedFile,
		}
	}
	a.draining = make(chan struct{})
	a.http = &http.Server{
		TLSConfig:         encryption,
		ReadHeaderTimeout: 10 * time.Second,
		MaxHeaderBytes:    32 << 10, // room for tokens, not for floods
		IdleTimeout:       2 * time.Minute,
		ErrorLog:          slog.NewLogLogger(a.Log.Handler(), slog.LevelWarn),
	}
	a.serveSmall(a.http)
	a.warn()
	if a.Config.clustered() {
		a.node = &starting{}
		a.http.Handler = a.node
		return nil
	}
	if a.engine, err = openEngine(&a.Config, a.memory, a.files, a.Log); err != nil {
		return err
	}
	if err := a.newServer(); err != nil {
		return err
	}
	a.http.Handler = a.routes()
	return nil
}

// serveSmall has package http1 serve small requests, except with TLS, and close silent
// connections at shutdown.
func (a *App) serveSmall(server *http.Server) {
	a.small = http1.NewServer(http1.Options{
		Serves:      a.isSmall,
		Handler:     http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { server.Handler.ServeHTTP(w, r) }),
		HeadTimeout: server.ReadHeaderTimeout, IdleTimeout: server.IdleTimeout,
		ErrorLog: server.ErrorLog, TLS: server.TLSConfig != nil,
	})
	server.ConnState = a.small.ConnState
	a.listener = a.small.Listener(a.listener)
}

// settle derives from the settings what needs neither the network nor the store.
func (a *App) settle() (encryption *tls.Config, err error) {
	if a.options, err = a.Config.options(a.Log, &a.reloads); err != nil {
		return nil, err
	}
	if a.hooks, err = a.Config.hookSettings.open(int(a.Config.MaxMessage), a.Log); err != nil {
		return nil, err
	}
	if a.hooks != nil {
		a.Config.hookSettings.apply(a.hooks, &a.options, a.Config.Dev)
	}
	if a.traces, err = a.Config.traceSettings.open(string(a.Config.ClusterNode), a.Log); err != nil {
		return nil, err
	}
	a.options.Tracer = a.traces.tracer()
	if a.memory, err = newMemoryPlan(&a.Config, memoryLimit()); err != nil {
		return nil, err
	}
	a.memory.apply(&a.options)
	if err := a.Config.checkIdentity(a.Config.Data); err != nil {
		return nil, err
	}
	return a.Config.tlsConfig(a.Config.Data, a.ACME, a.Log, &a.reloads)
}

// newServer makes the server over the engine.
func (a *App) newServer() (err error) {
	a.options.Engine = a.engine
	a.server, err = wirepost.New(a.options)
	a.counting.Store(a.server)
	return err
}

// countRefusedFile counts a connection that was closed because there are too many files.
func (a *App) countRefusedFile() {
	if srv := a.counting.Load(); srv != nil {
		srv.CountRefusal("open_files")
	}
}

// warn logs settings that are weaker than they look.
func (a *App) warn() {
	c := &a.Config
	if !c.Dev && !c.encrypted() && !c.Listen.loopback() {
		a.Log.Warn("tokens and keys are sent unencrypted unless a proxy in front terminates TLS", "listen", c.Listen)
	}
	if _, port, _ := net.SplitHostPort(a.listener.Addr().String()); len(c.ACMEDomain) > 0 && port != "443" {
		a.Log.Warn("ACME verifies certificates on port 443: forward it to this port", "port", port)
	}
	for _, n := range c.TrustedProxy {
		if netip.Prefix(n).Bits() == 0 {
			a.Log.Warn("every peer is a trusted proxy: clients can forge their address", "trusted-proxy", netip.Prefix(n))
		}
	}
	c.hookSettings.warn(a.Log, c.Dev)
	if strings.HasPrefix(c.TokenJWKS, "http://") {
		a.Log.Warn("the key set is fetched unencrypted: an attacker on the network can sign tokens", "token-jwks", c.TokenJWKS)
	}
	for _, key := range c.APIKey {
		if k, _ := httpapi.ParseKey(string(key)); len(k.Secret) < 16 {
			a.Log.Warn("an API key is short enough to be guessed: generate one with openssl rand -hex 32", "bytes", len(k.Secret))
		}
	}
	c.eventSettings.warn(a.Log, c.Dev)
	c.warnUnused(a.Log)
}

// drain shuts down in order: pushes are refused, sessions are notified and closed,
// pending requests complete, the store is closed.
func (a *App) drain(limit time.Duration) error {
	a.Log.Info("draining", "connections", a.server.Stats().Connections, "limit", limit)
	// The rest of the time is for cutting clients that do not respond and for
	// closing the store.
	ctx, cancel := context.WithTimeout(context.Background(), limit-min(limit/2, 2*time.Second))
	defer cancel()
	close(a.draining)
	if err := a.server.Shutdown(ctx); err != nil {
		a.Log.Warn("some clients did not respond to the close frame", "error", err)
	}
	if err := errors.Join(a.small.Shutdown(ctx), a.http.Shutdown(ctx)); err != nil {
		a.Log.Warn("requests were cut off", "error", err)
	}
	err := a.Close()
	if err == nil {
		a.Log.Info("stopped")
	}
	return err
}

// Close releases everything that is open, even if a part of it fails. It may be
// called twice.
func (a *App) Close() error {
	var errs []error
	if a.http != nil {
		errs = append(errs, a.http.Close())
		a.http = nil
	}
	if a.listener != nil {
		a.listener.Close() //nolint:errcheck // http.Server may have closed it
		a.listener = nil
	}
	if a.server != nil {
		// The remaining connections are cut: drain has waited for them.
		ctx, cancel := context.WithCancel(context.Background())
		cancel()
		a.server.Shutdown(ctx) //nolint:errcheck // it says that ctx has ended
		a.server = nil
	}
	if a.hooks != nil {
		a.hooks.Close()
		a.hooks = nil
	}
	if a.engine != nil {
		if err := a.engine.Close(); err != nil {
			errs = append(errs, fmt.Errorf("close the store: %w", err))
		}
		a.engine = nil
	}
	a.traces.close(min(time.Second, time.Duration(a.Config.Drain)/4))
	a.traces = nil
	return errors.Join(errs...)
}

// URL is the address that the server listens on, with its actual port.
func (a *App) URL() string {
	scheme := "http"
	if a.Config.encrypted() {
		scheme = "https"
	}
	if path, unix := a.Config.Listen.socket(); unix {
		return unixPrefix + path
	}
	host, _, _ := net.SplitHostPort(string(a.Config.Listen))
	at, ok := a.listener.Addr().(*net.TCPAddr)
	if !ok {
		return scheme + "://" + a.listener.Addr().String()
	}
	if host == "" { // all addresses: use one that is valid in a URL
		return fmt.Sprintf("%s://0.0.0.0:%d", scheme, at.Port)
	}
	return scheme + "://" + at.String()
}

func wordListenError(at address, err error) error {
	if _, unix := at.socket(); unix && errors.Is(err, syscall.EADDRINUSE) {
		return fmt.Errorf("listen on %s: another server, perhaps Wirepost, is listening there", at)
	}
	if errors.Is(err, syscall.EADDRINUSE) {
		return fmt.Errorf("listen on %s: the port is in use, perhaps by another Wirepost server; choose another with --listen", at)
	}
	if e, ok := errors.AsType[*net.OpError](err); ok {
		err = e.Err
	}
	return fmt.Errorf("listen on %s: %w", at, err)
}
