package main

import (
	"context"
	"os/signal"
	"syscall"

	"github.com/alecthomas/kong"

	"github.com/wirepost/wirepost"
)

// devCommand is `wirepost dev`.
type devCommand struct {
	common
	limits
	clustering
	hookSettings
	eventSettings
	webPushSettings
	traceSettings
	Cluster count `default:"1" placeholder:"N" help:"Start a cluster of this many nodes on this machine (default ${default}: one server without a cluster)."`
	Echo    bool  `default:"true" negatable:"" help:"Serve /echo, a WebSocket that returns every message."`
	Console bool  `default:"true" negatable:"" help:"Serve the console at /console."`

	UntilStdin bool `hidden:"" help:"Stop when standard input ends: for the nodes of --cluster."`
}

// devPolicies apply in dev unless the file has policies: presence works without settings,
// except where every connection would be counted.
var devPolicies = []wirepost.Policy{{Pattern: wirepost.All}, {Pattern: "*", Presence: true}}

// Help returns the last paragraph of the command's help.
func (c *devCommand) Help() string { return helpOnSettings }

// Run starts the server and serves until ctx is done.
func (c *devCommand) Run(ctx context.Context, t *terminal, k *kong.Context, s *settings) error {
	c.EventsEndpoints = s.endpoints()
	c.eventSettings.forDev()
	c.webPushSettings.forDev()
	config := Config{
		common: c.common, limits: c.limits, clustering: c.clustering, hookSettings: c.hookSettings, eventSettings: c.eventSettings, webPushSettings: c.webPushSettings, traceSettings: c.traceSettings,
		Dev: true, Echo: c.Echo, Console: c.Console,
	}
	if config.Channels, config.Sources = s.policies(); config.Channels == nil {
		config.Channels = devPolicies
	}
	config.Settings = s.effective(k, &config)
	if c.Cluster > 1 && !c.clustered() {
		return devCluster(ctx, t, config, int(c.Cluster), s)
	}
	if c.UntilStdin {
		var stop context.CancelFunc
		ctx, stop = untilEnd(ctx, t.In)
		defer stop()
	}
	return serve(ctx, t, config)
}

// serveCommand is `wirepost serve`.
type serveCommand struct {
	common
	limits
	secrets
	front
	clustering
	hookSettings
	eventSettings
	webPushSettings
	traceSettings
	Echo    bool `help:"Serve /echo, a WebSocket without authentication that returns every message."`
	Console bool `help:"Serve the console at /console. It requires an API key."`
}

// Help is the end of the command's help.
func (c *serveCommand) Help() string { return helpOnSettings }

// Run starts the server and stays until it is told to end.
func (c *serveCommand) Run(ctx context.Context, t *terminal, k *kong.Context, s *settings) error {
	config := c.config(s)
	config.Settings = s.effective(k, &config)
	return serve(ctx, t, config)
}

// config returns the configuration.
func (c *serveCommand) config(s *settings) Config {
	c.EventsEndpoints = s.endpoints()
	config := Config{
		common: c.common, limits: c.limits, secrets: c.secrets, front: c.front, clustering: c.clustering,
		hookSettings: c.hookSettings, eventSettings: c.eventSettings, webPushSettings: c.webPushSettings, traceSettings: c.traceSettings,
		Echo: c.Echo, Console: c.Console,
	}
	config.Channels, config.Sources = s.policies()
	return config
}

const helpOnSettings = "Every flag is also an environment variable (--max-message is WIREPOST_MAX_MESSAGE) and a key in the file (max-message). " +
	"Flags take precedence over the environment, and the environment over the file."

func serve(ctx context.Context, t *terminal, c Config) error {
	if err := c.check(); err != nil {
		return err
	}
	// A closed pipe, such as that of the log, does not stop the server.
	signal.Ignore(syscall.SIGPIPE)
	ctx, reload, stop := hangups(ctx, c.Dev)
	defer stop()
	log := c.logger(t.Err)
	if c.clustered() && c.LogFormat == logJSON {
		log = log.With("node", c.ClusterNode)
	}
	app := &App{Config: c, Out: t.Out, Log: log, Reload: reload}
	return app.Run(ctx)
}
