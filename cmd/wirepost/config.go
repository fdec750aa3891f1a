package main

import (
	"context"
	"errors"
	"io"
	"log/slog"
	"time"

	"github.com/wirepost/wirepost"
	"github.com/wirepost/wirepost/auth"
	"github.com/wirepost/wirepost/httpapi"
)

// Config is the configuration of dev and serve. The fields have the names of the
// flags, the WIREPOST_ variables and the keys of the file.
type Config struct {
	common
	limits
	secrets
	front
	clustering
	hookSettings
	eventSettings
	webPushSettings
	traceSettings

	Dev      bool // no keys: the URL names the user
	Echo     bool
	Console  bool
	Channels []wirepost.Policy
	Sources  []string // of Channels: positions in the file

	Settings []httpapi.Setting // all of these, as /v1/config shows them
}

// common are the settings that dev and serve share.
type common struct {
	Listen       address    `default:"127.0.0.1:8080" placeholder:"HOST:PORT" help:"Address to listen on; port 0 selects a free port, unix:PATH is a Unix socket (default ${default})."`
	SocketMode   fileMode   `default:"0660" placeholder:"MODE" help:"Permissions of the Unix socket's file (default ${default})."`
	Data         string     `default:"./wirepost-data" placeholder:"DIR" help:"Data directory (default ${default})."`
	Engine       engineName `default:"pebble" placeholder:"NAME" help:"Storage engine: pebble, or memory, which keeps nothing when the process exits (default ${default})."`
	MinFree      byteLimit  `default:"0" placeholder:"SIZE" help:"Free disk space to keep: with less, pushes get 503 (default ${default}: a value that suits the volume)."`
	Config       string     `placeholder:"FILE" help:"YAML file with the same names, and channel policies under \"channels:\"."`
	SyncInterval pause      `default:"0s" placeholder:"TIME" help:"Least time between two syncs of the disk, at most 1s: pushes meanwhile share the next one, which costs less and takes longer (default ${default})."`
	AllowOrigin  []origin   `placeholder:"ORIGIN" help:"Origin of pages that may connect, such as https://example.com or https://*.example.com; repeatable (default: the server's own)."`
	MaxMessage   size       `default:"64KiB" placeholder:"SIZE" help:"Maximum size of a message (default ${default})."`
	Heartbeat    heartbeat  `default:"25s" placeholder:"TIME" help:"Interval between pings on an idle connection (default ${default})."`
	Window       count      `default:"256" placeholder:"N" help:"Maximum unacknowledged messages per connection (default ${default})."`
	AckDelay     ackDelay   `default:"1s" placeholder:"TIME" help:"Time between the pings that a plain client acknowledges messages with (default ${default})."`
	Compress     bool       `help:"Offer permessage-deflate: less bandwidth for more CPU."`
	Drain        duration   `default:"15s" placeholder:"TIME" help:"Maximum duration of shutdown (default ${default})."`
	DrainDelay   pause      `default:"0s" placeholder:"TIME" help:"How long to keep serving before shutdown while /readyz is 503, for load balancers (default ${default})."`
	LogFormat    logFormat  `default:"text" placeholder:"FORMAT" help:"text or json (default ${default})."`
	LogLevel     logLevel   `default:"info" placeholder:"LEVEL" help:"debug, info, warn or error (default ${default})."`
}

// secrets are settings of serve.
type secrets struct {
	APIKey        []apiKey `name:"api-key" placeholder:"KEY" help:"API key of backends; repeatable. push:KEY, read:KEY and push+read:KEY restrict it."`
	TokenSecret   []secret `sep:"none" placeholder:"SECRET" help:"Secret of client tokens (HS256), at least 32 bytes; repeatable."`
	TokenJWKS     string   `name:"token-jwks" placeholder:"URL" help:"Key set of client tokens (RS256, ES256, EdDSA), as URL or file."`
	TokenAudience []string `placeholder:"NAME" help:"Required aud of tokens; repeatable, any one suffices."`
	TokenIssuer   string   `placeholder:"NAME" help:"Required iss of tokens."`
}

// check verifies combinations of settings.
func (c *Config) check() error {
	if err := c.clustering.check(c.Engine, c.Dev); err != nil {
		return err
	}
	if err := c.hookSettings.check(c.Channels, c.Sources); err != nil {
		return err
	}
	if err := c.checkEscalations(); err != nil {
		return err
	}
	if err := c.eventSettings.check(); err != nil {
		return err
	}
	if err := c.webPushSettings.check(c.Dev); err != nil {
		return err
	}
	switch {
	case time.Duration(c.SyncInterval) > time.Second:
		return usagef("--sync-interval %s is too long: every push waits for it, so it is at most 1s", time.Duration(c.SyncInterval))
	case c.Dev && !c.Listen.loopback():
		return usagef("--listen %s can be reached from other machines, and dev requires no keys: use a loopback address such as 127.0.0.1:8080, or `wirepost serve`", c.Listen)
	case c.Dev:
		return nil
	}
	if err := c.front.check(); err != nil {
		return err
	}
	if path, unix := c.Listen.socket(); unix && c.encrypted() {
		return usagef("--listen unix:%s: TLS is not supported on a Unix socket: remove --tls-cert and --acme-domain, and use the proxy for TLS", path)
	}
	var missing []error
	if len(c.APIKey) == 0 {
		missing = append(missing, errors.New("serve needs an API key for backends: generate one with `openssl rand -hex 32` and set it as --api-key, WIREPOST_API_KEY or api-key in the file"))
	}
	if !c.tokens() && c.of(c.HookConnect) == "" {
		missing = append(missing, errors.New("serve needs a way to verify client tokens: generate a secret with `openssl rand -hex 32` and set it as --token-secret or WIREPOST_TOKEN_SECRET, then create tokens with `wirepost token --user 42`; or set your identity provider's key set as --token-jwks; or let your backend identify clients, with --hook-connect"))
	}
	if missing != nil {
		return usageError{errors.Join(missing...)}
	}
	return nil
}

// tokens reports whether the server verifies tokens of clients.
func (c *Config) tokens() bool { return len(c.TokenSecret) > 0 || c.TokenJWKS != "" }

// options returns the library's options.
func (c *Config) options(log *slog.Logger, again *reloads) (wirepost.Options, error) {
	o := wirepost.Options{
		AllowOrigins: texts(c.AllowOrigin),
		Channels:     c.Channels,
		MaxMessage:   int(c.MaxMessage),
		Heartbeat:    time.Duration(c.Heartbeat),
		Window:       int(c.Window),
		AckDelay:     time.Duration(c.AckDelay),
		Compress:     c.Compress,
		Logger:       log,

		NoRequestValues: true, // no callback of the command needs them
	}
	c.limits.apply(&o)
	c.eventSettings.apply(&o)
	c.webPushSettings.apply(&o, c.Dev)
	if c.Dev {
		o.Authenticate, o.LogRefusals = auth.Dev(), true
		return o, nil
	}
	if !c.tokens() {
		return o, nil
	}
	verifier, err := auth.New(auth.Options{
		Secrets: texts(c.TokenSecret), JWKS: c.TokenJWKS, Audiences: c.TokenAudience, Issuer: c.TokenIssuer,
	})
	if err != nil {
		return o, err
	}
	if c.TokenJWKS != "" {
		again.add("token-jwks", verifier.Reload)
	}
	o.VerifyToken = func(ctx context.Context, token string) (wirepost.Identity, error) {
		return verifier.Verify(ctx, token)
	}
	return o, nil
}

// logger returns a logger that writes to w in the configured format.
func (c *Config) logger(w io.Writer) *slog.Logger {
	o := &slog.HandlerOptions{Level: c.LogLevel.level()}
	if c.LogFormat == logJSON {
		return slog.New(slog.NewJSONHandler(w, o))
	}
	return slog.New(slog.NewTextHandler(w, o))
}
