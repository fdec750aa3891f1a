package main

import (
	"context"
	"os"
	"os/signal"
	"syscall"
)

// reloads are what a server reads again when it is told to, each with its name.
type reloads struct {
	names []string
	all   []func(context.Context) error
}

func (r *reloads) add(name string, reload func(context.Context) error) {
	r.names = append(r.names, name)
	r.all = append(r.all, reload)
}

// reload reads everything again. What cannot be used is logged, and what was there
// before it stays.
func (a *App) reload(ctx context.Context) {
	for i, reload := range a.reloads.all {
		if err := reload(ctx); err != nil {
			a.Log.Error("reload failed, the one from before stays", "what", a.reloads.names[i], "error", err)
			continue
		}
		a.Log.Info("reloaded", "what", a.reloads.names[i])
	}
	if len(a.reloads.all) == 0 {
		a.Log.Info("nothing to reload: this server has neither certificate files nor a key set")
	}
}

// hangups is how a server takes SIGHUP: serve reloads, which a daemon's manager asks
// for; dev belongs to a terminal, which is gone, and drains. Where it is ignored, as
// under nohup, dev leaves it so. The caller calls stop at the end.
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
