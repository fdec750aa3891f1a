package main

import (
	"cmp"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"net/netip"
	"net/url"
	"regexp"
	"strings"
	"time"

	"github.com/wirepost/wirepost"
	"github.com/wirepost/wirepost/hooks"
	"github.com/wirepost/wirepost/internal/signing"
)

// hookSettings are the settings of hooks.
type hookSettings struct {
	HookURL         hookURL      `name:"hook-url" placeholder:"URL" help:"URL of the backend for every hook that has none of its own."`
	HookConnect     hookURL      `placeholder:"URL" help:"URL that is asked who a client without a token is."`
	HookSubscribe   hookURL      `placeholder:"URL" help:"URL that decides about subscriptions where a policy says hook."`
	HookPublish     hookURL      `placeholder:"URL" help:"URL that decides about clients' publications where a policy says hook."`
	HookMessage     hookURL      `placeholder:"URL" help:"URL that receives clients' messages."`
	HookCall        hookURL      `placeholder:"URL" help:"URL that answers clients' calls."`
	HookSecret      []hookSecret `placeholder:"SECRET" help:"Secret that signs requests to hooks, whsec_ and base64; repeatable."`
	HookTimeout     duration     `default:"5s" placeholder:"TIME" help:"Maximum duration of a request to a hook (default ${default})."`
	HookConcurrency count        `default:"256" placeholder:"N" help:"Maximum concurrent requests to hooks (default ${default})."`
	HookHeaders     []headerName `default:"cookie,authorization,user-agent,accept-language,x-forwarded-for" placeholder:"NAME" help:"Headers of connect requests that are passed on; repeatable (default ${default})."`
}

// hookURL is the URL of a hook.
type hookURL string

func (h *hookURL) UnmarshalText(text []byte) error {
	if err := hooks.CheckURL(string(text)); err != nil {
		return err
	}
	*h = hookURL(text)
	return nil
}

// unencrypted reports whether requests to the URL cross a network unencrypted.
func (h hookURL) unencrypted() bool {
	u, err := url.Parse(string(h))
	if err != nil || u.Scheme != "http" || u.Hostname() == "localhost" {
		return false
	}
	ip, err := netip.ParseAddr(u.Hostname())
	return err != nil || !ip.IsLoopback()
}

// hookSecret signs requests to hooks. Messages do not contain it.
type hookSecret string

func (s *hookSecret) UnmarshalText(text []byte) error {
	if _, err := signing.ParseSecret(string(text)); err != nil {
		return err
	}
	*s = hookSecret(text)
	return nil
}

// headerName is the name of a header.
type headerName string

var isHeaderName = regexp.MustCompile("^[!#$%&'*+.^_`|~0-9A-Za-z-]+$")

func (h *headerName) UnmarshalText(text []byte) error {
	if !isHeaderName.Match(text) {
		return fmt.Errorf("%q is not the name of a header", text)
	}
	*h = headerName(strings.ToLower(string(text)))
	return nil
}

// of returns the URL of a hook, or "".
func (h *hookSettings) of(own hookURL) hookURL { return cmp.Or(own, h.HookURL) }

// urls lists the URLs of the hooks that have one.
func (h *hookSettings) urls() (all []hookURL) {
	for _, own := range []hookURL{h.HookConnect, h.HookSubscribe, h.HookPublish, h.HookMessage, h.HookCall} {
		if at := h.of(own); at != "" {
			all = append(all, at)
		}
	}
	return all
}

// check verifies combinations of settings, and refuses policies whose hook has no URL. Sources are their positions in
// the file.
func (h *hookSettings) check(policies []wirepost.Policy, sources []string) error {
	if len(h.HookSecret) > 0 && len(h.urls()) == 0 {
		return usagef("--hook-secret needs --hook-url, or the URL of one hook: it signs what is sent there")
	}
	for i, p := range policies {
		for _, rule := range []struct {
			name, flag string
			access     wirepost.Access
			url        hookURL
		}{
			{"subscribe", "--hook-subscribe", p.Subscribe, h.of(h.HookSubscribe)},
			{"publish", "--hook-publish", p.Publish, h.of(h.HookPublish)},
		} {
			if rule.access == wirepost.AccessHook && rule.url == "" {
				return usageError{&settingError{sources[i], fmt.Errorf("the entry %q has %s: hook, which needs %s or --hook-url", p.Pattern, rule.name, rule.flag)}}
			}
		}
	}
	return nil
}

// open makes the hooks, and nil if there is none.
func (h *hookSettings) open(maxMessage int, log *slog.Logger) (*hooks.Hooks, error) {
	if len(h.urls()) == 0 {
		return nil, nil
	}
	return hooks.New(hooks.Options{
		URL: string(h.HookURL), Connect: string(h.HookConnect), Subscribe: string(h.HookSubscribe),
		Publish: string(h.HookPublish), Message: string(h.HookMessage), Call: string(h.HookCall),
		Secrets: texts(h.HookSecret), Timeout: time.Duration(h.HookTimeout), Concurrency: int(h.HookConcurrency),
		Headers: texts(h.HookHeaders), MaxResponse: max(1<<20, 6*maxMessage), Logger: log,
	})
}

// apply sets the callbacks of the library. In dev, a URL that names a user needs no hook.
func (h *hookSettings) apply(to *hooks.Hooks, o *wirepost.Options, dev bool) {
	byURL := o.Authenticate
	to.Apply(o)
	if !dev || h.of(h.HookConnect) == "" {
		return
	}
	o.Authenticate = func(r *http.Request) (wirepost.Identity, error) {
		if r.URL.Query().Has("user") {
			return byURL(r)
		}
		return to.Authenticate(r)
	}
}

// warn logs settings of hooks that are weaker than they look, except in dev.
func (h *hookSettings) warn(log *slog.Logger, dev bool) {
	if dev {
		return
	}
	urls := h.urls()
	if len(urls) > 0 && len(h.HookSecret) == 0 {
		log.Warn("requests to hooks are not signed, so that the backend cannot tell them from others: set --hook-secret")
	}
	for _, u := range urls {
		if u.unencrypted() {
			at, _ := url.Parse(string(u)) //nolint:errcheck // it was checked
			log.Warn("hooks get cookies and messages unencrypted: use https", "host", net.JoinHostPort(at.Hostname(), cmp.Or(at.Port(), "80")))
			return
		}
	}
}
