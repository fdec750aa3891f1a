package main

import (
	"context"
	"errors"
	"io"
	"log/slog"
	"time"

	"github.com/wirepost/wirepost"
	"github.com/wirepost/wirepost/auth"
)

// Config is what dev and serve can be told. The fields' names are those of the
// flags, of the WIREPOST_ variables and of the file.
type Config struct {
	common
	limits
	secrets
	front

	Dev      bool // no keys: the URL names the user
	Echo     bool
	Console  bool
	Channels []wirepost.Policy
}

// common is what dev and serve take alike.
type common struct {
	Listen      address    `default:"127.0.0.1:8080" placeholder:"HOST:PORT" help:"Where to listen; port 0 picks a free one, unix:PATH is a Unix socket (default ${default})."`
	SocketMode  fileMode   `default:"0660" placeholder:"MODE" help:"Who may connect to a Unix socket: the permissions of its file (default ${default})."`
	Data        string     `default:"./wirepost-data" placeholder:"DIR" help:"Where the data is kept (default ${default})."`
	Engine      engineName `default:"pebble" placeholder:"NAME" help:"What keeps it: pebble, or memory, which forgets everything at the end (default ${default})."`
	MinFree     byteLimit  `default:"0" placeholder:"SIZE" help:"Space that stays free on the disk: with less, pushes are answered 503 (default ${default}: what suits the volume)."`
	Config      string     `placeholder:"FILE" help:"YAML file with these same names, and the policies of channels under \"channels:\"."`
	AllowOrigin []origin   `placeholder:"ORIGIN" help:"Origin of pages that may connect, such as https://example.com or https://*.example.com; repeatable (default: the server's own)."`
	MaxMessage  size       `default:"64KiB" placeholder:"SIZE" help:"Largest message (default ${default})."`
	Heartbeat   duration   `default:"25s" placeholder:"TIME" help:"Pause between pings on an idle connection (default ${default})."`
	Window      count      `default:"256" placeholder:"N" help:"Unacknowledged messages per connection (default ${default})."`
	AckDelay    duration   `default:"1s" placeholder:"TIME" help:"Pause before the ping that makes a plain client acknowledge (default ${default})."`
	Compress    bool       `help:"Offer permessage-deflate: less bandwidth for more CPU."`
	Drain       duration   `default:"15s" placeholder:"TIME" help:"How long the end may take (default ${default})."`
	DrainDelay  pause      `default:"0s" placeholder:"TIME" help:"How long to go on serving before that, with /readyz at 503, so that load balancers notice (default ${default})."`
	LogFormat   logFormat  `default:"text" placeholder:"FORMAT" help:"text or json (default ${default})."`
	LogLevel    logLevel   `default:"info" placeholder:"LEVEL" help:"debug, info, warn or error (default ${default})."`
}

// secrets is what only serve takes.
type secrets struct {
	APIKey        []apiKey `name:"api-key" placeholder:"KEY" help:"Key that backends send; repeatable. push:KEY, read:KEY and push+read:KEY open less than everything."`
	TokenSecret   []secret `sep:"none" placeholder:"SECRET" help:"Secret of the clients' tokens (HS256), at least 32 bytes; repeatable."`
	TokenJWKS     string   `name:"token-jwks" placeholder:"URL" help:"Key set of the clients' tokens (RS256, ES256, EdDSA), as URL or file."`
	TokenAudience []string `placeholder:"NAME" help:"What a token's aud has to name; of several, any."`
	TokenIssuer   string   `placeholder:"NAME" help:"What a token's iss has to be."`
}

// check looks for what single values cannot show.
func (c *Config) check() error {
	switch {
	case c.Dev && !c.Listen.loopback():
		return usagef("--listen %s can be reached from other machines, and dev asks nobody for a key: use a loopback address such as 127.0.0.1:8080, or `wirepost serve`", c.Listen)
	case c.Dev:
		return nil
	}
	if err := c.front.check(); err != nil {
		return err
	}
	if path, unix := c.Listen.socket(); unix && c.encrypted() {
		return usagef("--listen unix:%s: a Unix socket has no TLS: leave --tls-cert and --acme-domain to the proxy in front", path)
	}
	var missing []error
	if len(c.APIKey) == 0 {
		missing = append(missing, errors.New("serve needs an API key for backends: make one with `openssl rand -hex 32` and give it as --api-key, WIREPOST_API_KEY or api-key in the file"))
	}
	if len(c.TokenSecret) == 0 && c.TokenJWKS == "" {
		missing = append(missing, errors.New("serve needs what signs the clients' tokens: make a secret with `openssl rand -hex 32` and give it as --token-secret or WIREPOST_TOKEN_SECRET, then `wirepost token --user 42` makes a token; or name your identity provider's key set with --token-jwks"))
	}
	if missing != nil {
		return usageError{errors.Join(missing...)}
	}
	return nil
}

// options is what the library is told.
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
	}
	c.limits.apply(&o)
	if c.Dev {
		o.Authenticate, o.LogRefusals = auth.Dev(), true
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

// logger writes to w as the configuration asks.
func (c *Config) logger(w io.Writer) *slog.Logger {
	o := &slog.HandlerOptions{Level: c.LogLevel.level()}
	if c.LogFormat == logJSON {
		return slog.New(slog.NewJSONHandler(w, o))
	}
	return slog.New(slog.NewTextHandler(w, o))
}

// texts makes plain strings of values.
func texts[T ~string](values []T) []string {
	var list []string
	for _, v := range values {
		list = append(list, string(v))
	}
	return list
}
