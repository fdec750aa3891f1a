package wirepost_test

import (
	"os/exec"
	"slices"
	"strings"
	"testing"
)

const module = "github.com/wirepost/wirepost"

// imports is the complete table of imports within this module, by package and without
// tests, with the reason for each. Imports that are not in the table are not allowed.
var imports = map[string]map[string]string{
	"": { // the library: it creates the parts, and exports their types
		"engine":              "stores messages and users",
		"engine/memory":       "the default engine, and memory-only channels",
		"internal/access":     "identities and policies",
		"internal/backup":     "copies of the store",
		"internal/callback":   "OnPublish",
		"internal/clock":      "lifetimes",
		"internal/count":      "the counters of the parts",
		"internal/escalation": "the steps of messages",
		"internal/events":     "the log of events, and its readers",
		"internal/fault":      "errors of the parts",
		"internal/feed":       "subscribed channels",
		"internal/gateway":    "the handlers of clients",
		"internal/names":      "names of channels and users",
		"internal/origin":     "checks options",
		"internal/payload":    "data of pushes",
		"internal/peers":      "connections to other nodes of a cluster",
		"internal/presence":   "users in channels",
		"internal/schedule":   "scheduled pushes",
		"internal/session":    "sessions",
		"internal/signing":    "secrets of endpoints",
		"internal/trace":      "spans of pushes",
		"internal/trend":      "the numbers of the last hour",
		"internal/user":       "users",
		"internal/webpush":    "Web Push",
		"internal/wire":       "content types, and messages as JSON",
	},
	"prometheus": {"": "the metrics of a server", "hooks": "the metrics of hooks"},
	"otel":       {"": "the contract with a recorder of spans"},
	"internal/events": {
		"engine":            "the log, and the stored cursors",
		"internal/outbound": "sends requests",
		"internal/redact":   "names of endpoints",
		"internal/feed":     "connections in channels, and new events",
		"internal/glob":     "filters",
		"internal/names":    "inboxes, and the names of its own channels",
		"internal/signing":  "signs requests",
		"internal/user":     "actions of users",
	},
	"acks": {},

	"internal/trend":  {},
	"internal/http1":  {},
	"internal/backup": {"engine": "snapshots, and receivers of their files"},

	"internal/gateway": {
		"internal/access":   "identities of requests",
		"internal/bearer":   "tokens in requests",
		"internal/callback": "callbacks about requests",
		"internal/codec":    "the mode that a request asks for",
		"internal/conn":     "connections of loops",
		"internal/count":    "the turns of loops",
		"internal/cursor":   "cursors in requests",
		"internal/fault":    "refusals",
		"internal/names":    "names in queries",
		"internal/origin":   "allowed origins",
		"internal/session":  "creates sessions",
		"internal/user":     "users of sessions",
		"internal/wire":     "subprotocols and close codes",
		"internal/ws":       "the handshake",
	},
	"internal/session": {
		"engine":            "pages of records",
		"internal/access":   "rights of its client",
		"internal/callback": "the application's callbacks",
		"internal/clock":    "lifetimes",
		"internal/codec":    "output to its client",
		"internal/conn":     "its connection, loop and timer",
		"internal/count":    "counters",
		"internal/cursor":   "positions of clients without a WebSocket",
		"internal/fault":    "refusals",
		"internal/feed":     "its subscriptions",
		"internal/names":    "names in commands",
		"internal/presence": "who is subscribed",
		"internal/trace":    "spans of deliveries",
		"internal/user":     "its user",
		"internal/wire":     "commands and notices",
		"internal/ws":       "cursor pings, and frames of its callbacks",
	},
	"engine":        {},
	"engine/memory": {"engine": "implements it", "internal/clock": "lifetimes"},
	"engine/pebble": {
		"engine":                           "implements it",
		"engine/pebble/internal/directory": "the files besides Pebble's, and the survey before it opens",
		"engine/pebble/internal/disk":      "the disk as Pebble sees it, and the reasons for refused writes",
		"engine/pebble/internal/files":     "files of a store that is not open",
		"engine/pebble/internal/cache":     "the state of channels in memory",
		"engine/pebble/internal/committer": "the only writer",
		"engine/pebble/internal/stage":     "changes besides appends",
		"engine/pebble/internal/format":    "keys and values",
		"internal/clock":                   "lifetimes",
		"internal/count":                   "the time of syncs",
	},
	"engine/pebble/internal/directory": {
		"engine":                       "the error of damage",
		"engine/pebble/internal/disk":  "names of tables, and errors in one line",
		"engine/pebble/internal/files": "logs and the manifest of a store that is not open",
	},
	"engine/pebble/internal/disk":   {"engine": "the errors of writes that are refused", "internal/count": "the time of syncs"},
	"engine/pebble/internal/files":  {},
	"engine/pebble/internal/format": {"engine": "records, and the error of damage"},
	"engine/pebble/internal/cache":  {"engine": "entries", "engine/pebble/internal/format": "loads from the store"},
	"engine/pebble/internal/stage": {
		"engine":                        "entries and updates",
		"engine/pebble/internal/cache":  "the channels that it changes",
		"engine/pebble/internal/disk":   "errors in one line",
		"engine/pebble/internal/format": "keys and values",
	},
	"engine/pebble/internal/committer": {
		"engine":                        "entries and watchers",
		"engine/pebble/internal/cache":  "what requests need in memory",
		"engine/pebble/internal/disk":   "the reasons for refused writes",
		"engine/pebble/internal/format": "ranges of removed records",
		"engine/pebble/internal/stage":  "the changes of a commit",
	},
	"engine/enginetest": {"engine": "tests its implementations"},
	"engine/cluster": {
		"engine":                           "implements it, over a replica",
		"engine/memory":                    "the replica of memory-only channels",
		"engine/cluster/internal/apply":    "what the log says",
		"engine/cluster/internal/batch":    "changes of calls, and reports",
		"engine/cluster/internal/found":    "the cluster",
		"engine/cluster/internal/nodes":    "the other nodes",
		"engine/cluster/internal/note":     "members, and errors",
		"engine/cluster/internal/pause":    "pauses",
		"engine/cluster/internal/propose":  "what this node changes",
		"engine/cluster/internal/replog":   "the log",
		"engine/cluster/internal/snapshot": "stores of other nodes",
		"internal/count":                   "the time of batches",
	},
	"engine/cluster/internal/apply": {
		"engine":                          "the replica",
		"engine/memory":                   "the replica of memory-only channels",
		"engine/cluster/internal/batch":   "entries of the log",
		"engine/cluster/internal/note":    "what the replica knows of the log",
		"engine/cluster/internal/pause":   "pauses between attempts",
		"engine/cluster/internal/propose": "completes the calls of this node",
		"engine/cluster/internal/replog":  "the log",
	},
	"engine/cluster/internal/propose": {
		"engine":                         "results and errors",
		"engine/cluster/internal/batch":  "what it proposes",
		"engine/cluster/internal/note":   "members, and which batches count",
		"engine/cluster/internal/replog": "the log",
	},
	"engine/cluster/internal/found": {
		"engine":                         "the replica",
		"engine/cluster/internal/batch":  "the first entry of a log",
		"engine/cluster/internal/note":   "the cluster that a replica belongs to",
		"engine/cluster/internal/pause":  "pauses between attempts",
		"engine/cluster/internal/replog": "the log",
	},
	"engine/cluster/internal/note": {
		"engine/cluster/internal/batch":  "batches that count, and reports of members",
		"engine/cluster/internal/fields": "its encoding",
		"engine/cluster/internal/replog": "entries of the log",
	},
	"engine/cluster/internal/snapshot": {
		"engine":                         "the bus, and snapshots of a store",
		"engine/cluster/internal/fields": "lists of files",
		"engine/cluster/internal/pause":  "pauses between attempts",
	},
	"engine/cluster/internal/nodes":  {"engine": "the bus, and states of nodes"},
	"engine/cluster/internal/batch":  {"engine": "changes", "engine/cluster/internal/fields": "their encoding"},
	"engine/cluster/internal/fields": {},
	"engine/cluster/internal/pause":  {},
	"engine/cluster/internal/replog": {},
	"engine/cluster/jetstream":       {"engine": "the bus", "engine/cluster": "implements its log"},
	"engine/cluster/postgres": {
		"engine":         "the bus",
		"engine/cluster": "implements its log",
		"engine/cluster/postgres/internal/database": "the connection of both",
	},
	"engine/cluster/postgres/internal/database": {},
	"engine/cluster/logtest":                    {"engine": "the bus", "engine/cluster": "tests implementations of its log"},

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
		"engine":              "retention",
		"internal/escalation": "the steps of policies",
		"internal/fault":      "refusals",
		"internal/glob":       "patterns",
		"internal/names":      "inboxes",
	},
	"internal/peers": {
		"engine":            "the bus between nodes",
		"internal/registry": "channels by name",
	},
	"internal/schedule": {"engine": "timers, and the log of what they push"},
	"internal/escalation": {
		"engine":          "timers, and the messages that they are about",
		"internal/events": "the event of a step",
		"internal/fault":  "refusals",
		"internal/names":  "inboxes",
		"internal/strict": "notifications",
		"internal/user":   "who has acknowledged",
	},
	"internal/webpush": {
		"engine":              "stored subscriptions, and the channel of the key pair",
		"internal/count":      "counters of requests",
		"internal/escalation": "sends what it asks for",
		"internal/fault":      "invalid subscriptions",
		"internal/outbound":   "sends requests",
		"internal/strict":     "strict parsing of subscriptions",
		"internal/wire":       "data as JSON",
	},
	"internal/presence": {
		"internal/conn":     "tasks of loops",
		"internal/registry": "channels and users by name",
		"internal/wire":     "strings in JSON",
		"internal/ws":       "frames",
	},
	"internal/cursor":   {"internal/names": "hashes of names"},
	"internal/callback": {"internal/fault": "refusals"},
	"internal/count":    {},
	"internal/fault":    {"engine": "its errors have codes", "internal/wire": "close codes"},
	"internal/names":    {"internal/fault": "refusals"},
	"internal/wire":     {"internal/strict": "strict parsing of clients' JSON"},
	"internal/payload": {
		"internal/fault":    "refusals",
		"internal/jsonscan": "checks JSON",
		"internal/wire":     "kinds of content types",
	},
	"internal/origin":   {"internal/glob": "patterns of hosts"},
	"internal/clock":    {},
	"internal/conn":     {"internal/ws": "frames and their parser"},
	"internal/crowd":    {"internal/ws": "frames and their parser"},
	"internal/evict":    {},
	"internal/glob":     {},
	"internal/registry": {},
	"internal/outbound": {},
	"internal/redact":   {},
	"internal/signing":  {},
	"internal/strict":   {},
	"internal/trace":    {},
	"internal/ws":       {},

	"auth": {"": "identities", "internal/strict": "strict parsing of tokens"},
	"hooks": {
		"":                  "the callbacks that it implements",
		"internal/count":    "counters of requests",
		"internal/outbound": "sends requests",
		"internal/payload":  "changed data of messages",
		"internal/redact":   "URLs in logs and statistics",
		"internal/signing":  "signatures of requests",
		"internal/strict":   "strict parsing of identities",
		"internal/wire":     "kinds of content types",
	},
	"httpapi": {
		"":                       "the server whose API it is",
		"engine":                 "the nodes of a cluster",
		"hooks":                  "the state of hooks",
		"httpapi/internal/parse": "bodies of requests",
		"prometheus":             "/metrics",
		"internal/bearer":        "API keys in requests",
		"internal/origin":        "refuses requests of pages",
		"internal/payload":       "data of raw pushes",
		"internal/trace":         "the traceparent header",
		"internal/trend":         "the memory of the process",
	},
	"httpapi/internal/parse": {
		"":                  "pushes, and errors in them",
		"internal/jsonscan": "pushes in their usual form",
		"internal/payload":  "data of pushes",
		"internal/strict":   "strict parsing of backends' JSON",
		"internal/wire":     "content types",
	},
	"internal/bearer":   {},
	"internal/jsonscan": {},
	"console":           {"internal/uplot": "plots in its page"},
	"internal/uplot":    {},

	"client":        {"internal/dial": "its WebSocket", "internal/wire": "frames of wirepost.v1"},
	"internal/dial": {"internal/ws": "frames and their parser"},
	"js":            {},

	"cmd/wirepost": { // it connects all parts
		"":                         "the server",
		"client":                   "push and listen",
		"cmd/wirepost/load":        "bench",
		"cmd/wirepost/manual":      "completions and the manual page",
		"cmd/wirepost/report":      "bench",
		"engine":                   "health of the store",
		"engine/cluster":           "a node of a cluster",
		"engine/cluster/jetstream": "its log",
		"engine/cluster/postgres":  "its log",
		"engine/memory":            "dev",
		"engine/pebble":            "serve",
		"auth":                     "tokens",
		"console":                  "the page at /console",
		"internal/backup":          "backup and restore",
		"internal/dial":            "the connection of listen",
		"hooks":                    "backends that are asked",
		"internal/glob":            "policies of the file",
		"internal/names":           "names of channels that look like users' IDs",
		"internal/redact":          "URLs in what config check prints",
		"internal/http1":           "pushes over HTTP",
		"internal/signing":         "secrets of hooks and of endpoints of events",
		"otel":                     "traces",
		"prometheus":               "the metrics of hooks",
		"httpapi":                  "the API",
		"internal/origin":          "flags",
		"internal/webpush":         "settings, and key pairs that are imported",
		"internal/wire":            "close codes",
		"js":                       "the browser client",
	},
	"cmd/wirepost/load": {
		"cmd/wirepost/report": "its measurements",
		"internal/crowd":      "its client connections",
		"internal/ws":         "acknowledgements",
	},
	"cmd/wirepost/manual": {},
	"cmd/wirepost/report": {"internal/uplot": "plots"},

	// For tests.
	"internal/browser":          {},
	"internal/knots":            {},
	"internal/pgtest":           {},
	"internal/testlog":          {},
	"internal/torture":          {},
	"internal/webpush/pushtest": {},
	"internal/ws/wstest":        {},
}

// TestImports compares every package with the table, and the table with the packages.
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
				t.Errorf("%q no longer imports %q: remove it from the table", pkg, dep)
			}
		}
	}
	for pkg := range imports {
		if !seen[pkg] {
			t.Errorf("package %q does not exist", pkg)
		}
	}
}

// TestLinks: a program that embeds the library must not link a store or a framework
// that it did not ask for.
func TestLinks(t *testing.T) {
	t.Parallel()
	for _, dep := range goList(t, "-deps", ".") {
		for _, heavy := range []string{"cockroachdb/pebble", "prometheus/", "protobuf", "nats-io", "jackc/", "gin-gonic", "alecthomas/kong", "golang-jwt", "gobwas", "opentelemetry"} {
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
