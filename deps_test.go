package wirepost_test

import (
	"os/exec"
	"slices"
	"strings"
	"testing"
)

const module = "github.com/wirepost/wirepost"

// imports is the whole table: what each package imports of this module, outside of its
// tests, and why. What is not in it is not allowed; so every line is a decision.
var imports = map[string]map[string]string{
	"": { // the library: it builds the parts, and has their types as its own
		"engine":            "it stores in one",
		"engine/memory":     "the default engine, and memory-only channels",
		"internal/access":   "identities and policies",
		"internal/callback": "OnPublish",
		"internal/clock":    "lifetimes",
		"internal/count":    "the counters of the parts",
		"internal/fault":    "errors of the parts",
		"internal/feed":     "what is subscribed to",
		"internal/gateway":  "the handlers of clients",
		"internal/jsonscan": "JSON of pushes is checked",
		"internal/names":    "names of channels and users",
		"internal/origin":   "options are checked",
		"internal/session":  "sessions",
		"internal/user":     "users",
		"internal/wire":     "content types, and messages as JSON",
	},
	"prometheus": {"": "the metrics of a server"},
	"acks":       {},

	"internal/gateway": {
		"internal/access":   "who sends a request",
		"internal/bearer":   "tokens in requests",
		"internal/callback": "callbacks about requests",
		"internal/codec":    "the mode that a request asks for",
		"internal/conn":     "connections that it hands to loops",
		"internal/cursor":   "where a client was",
		"internal/fault":    "refusals",
		"internal/names":    "names in queries",
		"internal/origin":   "which pages may connect",
		"internal/session":  "what a request becomes",
		"internal/user":     "whose session it becomes",
		"internal/wire":     "subprotocols and close codes",
		"internal/ws":       "the handshake",
	},
	"internal/session": {
		"engine":            "pages of records",
		"internal/access":   "what its client may do",
		"internal/callback": "the application's callbacks",
		"internal/clock":    "lifetimes",
		"internal/codec":    "what its client is sent",
		"internal/conn":     "its connection, loop and timer",
		"internal/count":    "it counts",
		"internal/cursor":   "positions of clients without a WebSocket",
		"internal/fault":    "refusals",
		"internal/feed":     "its subscriptions",
		"internal/names":    "names in commands",
		"internal/user":     "its user",
		"internal/wire":     "commands and notices",
		"internal/ws":       "cursor pings, and frames of its callbacks",
	},
	"engine":        {},
	"engine/memory": {"engine": "it is one", "internal/clock": "lifetimes"},
	"engine/pebble": {
		"engine":                           "it is one",
		"engine/pebble/internal/directory": "the files besides Pebble's, and the survey before it opens",
		"engine/pebble/internal/disk":      "what Pebble sees of the disk, and why writes are refused",
		"engine/pebble/internal/files":     "files of a store that is not open",
		"internal/clock":                   "lifetimes",
	},
	"engine/pebble/internal/directory": {
		"engine":                       "the error of damage",
		"engine/pebble/internal/disk":  "names of tables, and errors in one line",
		"engine/pebble/internal/files": "logs and the manifest of a store that is not open",
	},
	"engine/pebble/internal/disk":  {"engine": "the errors of writes that are refused"},
	"engine/pebble/internal/files": {},
	"engine/enginetest":            {"engine": "what it tests"},

	"internal/feed": {
		"engine":            "records, and the logs that are watched and read",
		"internal/conn":     "tasks of loops",
		"internal/evict":    "tails of idle feeds",
		"internal/registry": "feeds by channel",
		"internal/ws":       "the classes of compressed frames",
	},
	"internal/user": {
		"engine":            "stored users",
		"internal/evict":    "records of idle users",
		"internal/fault":    "refusals",
		"internal/names":    "inboxes",
		"internal/registry": "users by name",
	},
	"internal/codec": {
		"engine":        "records",
		"internal/feed": "items, which keep their frames",
		"internal/wire": "objects of wirepost.v1",
		"internal/ws":   "frames",
	},
	"internal/access": {
		"engine":         "retention",
		"internal/fault": "refusals",
		"internal/glob":  "patterns",
		"internal/names": "inboxes",
	},
	"internal/cursor":   {"internal/names": "hashes of names"},
	"internal/callback": {"internal/fault": "refusals"},
	"internal/count":    {},
	"internal/fault":    {"engine": "its errors have codes", "internal/wire": "close codes"},
	"internal/names":    {"internal/fault": "refusals"},
	"internal/wire":     {"internal/strict": "JSON that clients send is read exactly"},
	"internal/origin":   {"internal/glob": "patterns of hosts"},
	"internal/clock":    {},
	"internal/conn":     {"internal/ws": "what its sockets carry"},
	"internal/crowd":    {"internal/ws": "what its sockets carry"},
	"internal/evict":    {},
	"internal/glob":     {},
	"internal/registry": {},
	"internal/strict":   {},
	"internal/ws":       {},

	"auth": {"": "identities", "internal/strict": "tokens are read exactly"},
	"httpapi": {
		"":                       "the server that it is the API of",
		"httpapi/internal/parse": "bodies of requests",
		"prometheus":             "/metrics",
		"internal/bearer":        "API keys in requests",
		"internal/origin":        "pages that may not send requests",
	},
	"httpapi/internal/parse": {
		"":                  "pushes, and errors in them",
		"internal/jsonscan": "pushes in their usual form",
		"internal/strict":   "JSON that backends send is read exactly",
		"internal/wire":     "content types",
	},
	"internal/bearer":   {},
	"internal/jsonscan": {},
	"console":           {"internal/uplot": "plots in its page"},
	"internal/uplot":    {},

	"client":        {"internal/dial": "its WebSocket", "internal/wire": "frames of wirepost.v1"},
	"internal/dial": {"internal/ws": "frames and their parser"},
	"js":            {},

	"cmd/wirepost": { // it wires everything
		"":                    "the server",
		"client":              "push and listen",
		"cmd/wirepost/load":   "bench",
		"cmd/wirepost/report": "bench",
		"engine":              "health of the store",
		"engine/memory":       "dev",
		"engine/pebble":       "serve",
		"auth":                "tokens",
		"console":             "the page at /console",
		"internal/dial":       "the connection of listen",
		"httpapi":             "the API",
		"internal/origin":     "flags",
		"internal/wire":       "close codes",
		"js":                  "the browser's client",
	},
	"cmd/wirepost/load": {
		"cmd/wirepost/report": "what it measures",
		"internal/crowd":      "the connections of its clients",
		"internal/ws":         "acknowledgements",
	},
	"cmd/wirepost/report": {"internal/uplot": "plots"},

	// For tests.
	"internal/browser":   {},
	"internal/knots":     {},
	"internal/torture":   {},
	"internal/ws/wstest": {},
}

// TestImports holds every package to the table, and the table to the packages.
func TestImports(t *testing.T) {
	t.Parallel()
	seen := map[string]bool{}
	for _, line := range goList(t, "-f", "{{.ImportPath}} {{join .Imports \" \"}}", "./...") {
		paths := strings.Fields(line)
		pkg := strings.TrimPrefix(strings.TrimPrefix(paths[0], module), "/")
		allowed, listed := imports[pkg]
		if !listed {
			t.Errorf("%q is in no row of the table", pkg)
		}
		seen[pkg] = true
		for _, path := range paths[1:] {
			dep, ours := strings.CutPrefix(path, module)
			dep = strings.TrimPrefix(dep, "/")
			if ours && allowed[dep] == "" {
				t.Errorf("%q imports %q, which the table does not allow", pkg, dep)
			}
		}
		for dep := range allowed {
			if !slices.Contains(paths[1:], strings.TrimSuffix(module+"/"+dep, "/")) {
				t.Errorf("%q does not import %q any more: take it out of the table", pkg, dep)
			}
		}
	}
	for pkg := range imports {
		if !seen[pkg] {
			t.Errorf("there is no package %q", pkg)
		}
	}
}

// TestLinks: a program that embeds the library must not link a store or a framework
// that it did not ask for.
func TestLinks(t *testing.T) {
	t.Parallel()
	for _, dep := range goList(t, "-deps", ".") {
		for _, heavy := range []string{"cockroachdb/pebble", "prometheus/", "protobuf", "nats-io", "gin-gonic", "alecthomas/kong", "golang-jwt", "gobwas"} {
			if strings.Contains(dep, heavy) {
				t.Errorf("the library links %s", dep)
			}
		}
	}
}

func goList(t *testing.T, args ...string) []string {
	t.Helper()
	out, err := exec.Command("go", append([]string{"list"}, args...)...).CombinedOutput()
	if err != nil {
		t.Fatalf("go list: %v\n%s", err, out)
	}
	return strings.Split(strings.TrimSpace(string(out)), "\n")
}
