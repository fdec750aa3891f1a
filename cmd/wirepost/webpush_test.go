package main

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/wirepost/wirepost"
)

// TestWebPushSettings: the settings come from flags and from the file, and errors say what
// is wrong with them.
func TestWebPushSettings(t *testing.T) {
	t.Parallel()
	const file = "webpush:\n  subject: mailto:ops@example.com\n  allow: [push.internal, 10.1.0.0/16]\n"
	for name, tt := range map[string]struct {
		args  []string
		file  string
		want  wirepost.WebPushOptions
		fails string
	}{
		"off":  {args: []string{"serve"}},
		"dev":  {args: []string{"dev"}, want: wirepost.WebPushOptions{Subject: devSubject, AllowLoopback: true}},
		"file": {args: []string{"serve", "--config=FILE"}, file: file, want: wirepost.WebPushOptions{Subject: "mailto:ops@example.com", Allow: []string{"push.internal", "10.1.0.0/16"}}},
		"flags": {
			args: []string{"dev", "--webpush-subject", "https://example.com", "--webpush-allow", "a.b", "--webpush-allow", "10.0.0.1"},
			want: wirepost.WebPushOptions{Subject: "https://example.com", Allow: []string{"a.b", "10.0.0.1"}, AllowLoopback: true},
		},
		"no URL":       {args: []string{"serve", "--webpush-subject", "ops@example.com"}, fails: "neither a mailto: nor an https: URL"},
		"no host":      {args: []string{"serve", "--webpush-subject", "mailto:a@b", "--webpush-allow", "https://x"}, fails: "is not a host name"},
		"allow alone":  {args: []string{"serve", "--webpush-allow", "10.0.0.1"}, fails: "--webpush-allow needs --webpush-subject"},
		"unknown name": {args: []string{"serve", "--config=FILE"}, file: "webpush:\n  subjekt: mailto:a@b\n", fails: "did you mean webpush-subject"},
	} {
		var o wirepost.Options
		g, _, err := parse(t, tt.args, nil, tt.file)
		if err == nil {
			s := &g.Serve.webPushSettings
			if tt.args[0] == "dev" {
				s = &g.Dev.webPushSettings
				s.forDev()
			}
			if err = s.check(tt.args[0] == "dev"); err == nil {
				s.apply(&o, tt.args[0] == "dev")
			}
		}
		switch {
		case tt.fails != "":
			if err == nil || !strings.Contains(err.Error(), tt.fails) {
				t.Errorf("%s: %v", name, err)
			}
		case err != nil:
			t.Errorf("%s: %v", name, err)
		default:
			if diff := cmp.Diff(tt.want, o.WebPush); diff != "" {
				t.Errorf("%s: %s", name, diff)
			}
		}
	}
}
