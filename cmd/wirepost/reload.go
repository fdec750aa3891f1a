package main

import (
	"context"
	"os"
	"os/signal"
	"syscall"
)

// reloads are the named settings that a server can reload.
type reloads struct {
	names []string
	all   []func(context.Context) error
}

func (r *reloads) add(name string, reload func(context.Context) error) {
	r.names = append(r.names, name)
	r.all = append(r.all, reload)
}

// hangups handles SIGHUP: serve reloads, as service managers expect; dev belongs to
// a terminal that was closed, and drains, unless SIGHUP is ignored, as under nohup.
// The caller must call stop.
func hangups(ctx context.Context, dev bool) (_ context.Context, reload <-chan os.Signal, stop func()) {
	switch {
	case !dev:
		signals := make(chan os.Signal, 1)
		signal.Notify(signals, syscall.SIGHUP)
		return ctx, signals, func() { signal.Stop(signals) }
	case signal.Ignored(syscall.SIGHUP):
		return ctx, nil, func() {}
	}
	ctx, stop = signal.NotifyContext(ctx, syscall.SIGHUP)
	return ctx, nil, stop
}
