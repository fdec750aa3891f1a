package main

import "log/slog"

// warnUnused logs the settings that were set and have no effect without another one. Those
// that would leave something unprotected, such as a secret that signs nothing, are errors.
func (c *Config) warnUnused(log *slog.Logger) {
	_, unix := c.Listen.socket()
	needs := map[string]string{}
	for _, group := range []struct {
		used  bool
		needs string
		names []string
	}{
		{c.of(c.HookConnect) != "", "hook-connect or hook-url", []string{"hook-headers"}},
		{len(c.urls()) > 0, "hook-url, or the URL of one hook", []string{"hook-timeout", "hook-concurrency"}},
		{len(c.endpoints()) > 0, "events-url or events-types", []string{"events-grace", "events-retention"}},
		{c.tokens(), "token-secret or token-jwks", []string{"token-audience", "token-issuer"}},
		{len(c.ACMEDomain) > 0, "acme-domain", []string{"acme-directory"}},
		{unix, "listen with unix: and a path", []string{"socket-mode"}},
		{c.Engine == enginePebble, "engine pebble", []string{"min-free", "sync-interval"}},
	} {
		for _, name := range group.names {
			if !group.used {
				needs[name] = group.needs
			}
		}
	}
	for _, s := range c.Settings {
		if without, ok := needs[s.Name]; ok && s.Origin != byDefault {
			log.Warn("a setting has no effect without another one", "setting", s.Name, "from", s.Origin, "needs", without)
		}
	}
}
