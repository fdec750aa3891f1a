package main

import (
	"cmp"
	"context"
	"fmt"
	"io"
	"os"
	"time"

	"github.com/wirepost/wirepost"
	"github.com/wirepost/wirepost/client"
	"github.com/wirepost/wirepost/httpapi"
	"github.com/wirepost/wirepost/internal/webpush"
)

// webPushSettings are the settings of Web Push. In the file they are a map, webpush.
type webPushSettings struct {
	WebpushSubject webPushSubject `placeholder:"URL" help:"Turn Web Push on: mailto: or https: URL at which push services can reach you (in dev it is on without)."`
	WebpushAllow   []webPushHost  `placeholder:"HOST" help:"Host, address or network (CIDR) that push services may have although it is not public; repeatable."`
}

// devSubject is the subject in dev.
const devSubject = "mailto:dev@example.com"

// webPushSubject is the subject of requests to push services.
type webPushSubject string

func (s *webPushSubject) UnmarshalText(text []byte) error {
	*s = webPushSubject(text)
	return webpush.CheckSubject(string(text))
}

// webPushHost is an exception for push services.
type webPushHost string

func (h *webPushHost) UnmarshalText(text []byte) error {
	*h = webPushHost(text)
	_, err := webpush.ParseExceptions([]string{string(text)})
	return err
}

// on reports whether Web Push is on.
func (s *webPushSettings) on(dev bool) bool { return dev || s.WebpushSubject != "" }

// check verifies combinations of settings.
func (s *webPushSettings) check(dev bool) error {
	if len(s.WebpushAllow) > 0 && !s.on(dev) {
		return usagef("--webpush-allow needs --webpush-subject, which turns Web Push on")
	}
	return nil
}

// apply sets the options of the library.
func (s *webPushSettings) apply(o *wirepost.Options, dev bool) {
	o.WebPush = wirepost.WebPushOptions{Subject: string(s.WebpushSubject), Allow: texts(s.WebpushAllow), AllowLoopback: dev}
}

// forDev turns Web Push on.
func (s *webPushSettings) forDev() { s.WebpushSubject = cmp.Or(s.WebpushSubject, devSubject) }

// vapidCommand is `wirepost vapid`.
type vapidCommand struct {
	cluster
	APIKey string `name:"api-key" placeholder:"KEY" variable:"WIREPOST_API_KEY" help:"API key with the scope read, or admin with --import; not needed in dev mode."`
	Import string `placeholder:"FILE" help:"Replace the key pair by that of a file, - for standard input: PEM, or what tools for Web Push print. Browsers have to subscribe again."`
}

// maxKeyFile bounds what is read of a key pair.
const maxKeyFile = 64 << 10

// Run prints the public key, after an import if one is asked for.
func (c *vapidCommand) Run(ctx context.Context, t *terminal) error {
	ctx, cancel := context.WithTimeout(ctx, time.Duration(len(c.Server))*responseTimeout)
	defer cancel()
	if c.Import == "" {
		b, err := c.backend(httpapi.Read)
		if err != nil {
			return err
		}
		key, err := b.VAPIDKey(ctx)
		if err != nil {
			return fmt.Errorf("vapid: %w", wordDialError(err))
		}
		fmt.Fprintln(t.Out, key)
		return nil
	}
	text, err := c.read(t.In)
	if err != nil {
		return fmt.Errorf("vapid: %w", err)
	}
	if _, err := webpush.ParseKeyPair(text); err != nil {
		return fmt.Errorf("vapid: %s: %w", c.Import, err)
	}
	b, err := c.backend(httpapi.Admin)
	if err != nil {
		return err
	}
	key, err := b.ImportVAPIDKey(ctx, text)
	if err != nil {
		return fmt.Errorf("vapid: %w", wordDialError(err))
	}
	fmt.Fprintln(t.Out, key)
	t.warnf("subscriptions that were made with another key are of no use any more: browsers have to subscribe again")
	return nil
}

func (c *vapidCommand) read(in io.Reader) (string, error) {
	if c.Import != "-" {
		f, err := os.Open(c.Import)
		if err != nil {
			return "", err
		}
		defer f.Close() //nolint:errcheck // it was read
		in = f
	}
	text, err := io.ReadAll(io.LimitReader(in, maxKeyFile))
	return string(text), err
}

func (c *vapidCommand) backend(scope httpapi.Scope) (*client.Backend, error) {
	servers := c.at("", nil)
	return client.NewBackend(servers[0], client.BackendOptions{
		Key: keyFor(c.APIKey, scope), Nodes: servers[1:], InOrder: true, Attempts: len(servers), Timeout: responseTimeout,
	})
}
