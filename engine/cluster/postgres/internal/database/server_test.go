package database

import (
	"strings"
	"testing"
)

// TestSettings: which servers are accepted, and what is said about them.
func TestSettings(t *testing.T) {
	t.Parallel()
	good := settings{version: 150018, versionText: "15.18", fsync: "on", fullPageWrites: "on", commit: "on", standbys: "a"}
	for want, change := range map[string]func(*settings){
		"":                               func(*settings) {},
		"PostgreSQL 13.9: 14 or newer":   func(s *settings) { s.version, s.versionText = 130009, "13.9" },
		"is a read-only standby":         func(s *settings) { s.readOnly = true },
		"fsync is off":                   func(s *settings) { s.fsync = "off" },
		"synchronous_commit is off":      func(s *settings) { s.commit = "off" },
		"synchronous_commit is local":    func(s *settings) { s.commit = "local" },
		"remote_write":                   func(s *settings) { s.commit = "remote_write" },
		"synchronous_standby_names is":   func(s *settings) { s.standbys = "" },
		"full_page_writes is off":        func(s *settings) { s.fullPageWrites = "off" },
		"local: there is one copy of wh": func(s *settings) { s.commit = "local" },
	} {
		s := good
		change(&s)
		synchronous, warnings := s.judge()
		text := strings.Join(warnings, "\n")
		if err := s.check(); err != nil {
			text = err.Error()
		}
		if want == "" && text != "" || !strings.Contains(text, want) {
			t.Errorf("got %q, want %q", text, want)
		}
		if strings.Contains(text, "one copy") == synchronous {
			t.Errorf("synchronous %v, %q", synchronous, text)
		}
	}
}
