package main

import (
	"github.com/rogpeppe/go-internal/testscript"

	"github.com/wirepost/wirepost/internal/pgtest"
)

// postgresServer is the command postgres of scripts.
func postgresServer(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) != 2 {
		ts.Fatalf("usage: postgres NAME start|kill")
	}
	servers, _ := ts.Value(postgresKey).(map[string]*pgtest.Server)
	s := servers[args[0]]
	switch {
	case args[1] == "kill" && s != nil:
		s.Kill()
	case args[1] == "start" && s != nil:
		ts.Check(s.Start())
	case args[1] == "start":
		s, err := pgtest.Start()
		ts.Check(err)
		ts.Defer(func() { s.Close() })
		servers[args[0]] = s
		ts.Setenv(args[0], s.URL("postgres"))
	default:
		ts.Fatalf("postgres %q", args)
	}
}

// postgresKey is where the servers of a script are among its values.
const postgresKey = "postgres"
