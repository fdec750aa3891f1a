package main

import (
	"context"
	"io"
	"net/netip"
	"os"
	"path/filepath"
	"reflect"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/wirepost/wirepost"
	"github.com/wirepost/wirepost/auth"
)

const testSecret = "0123456789abcdef0123456789abcdef"

// FuzzConfigFile parses arbitrary text as a configuration file: the result is
// settings that all have values, or an error with its line, and never a panic.
func FuzzConfigFile(f *testing.F) {
	f.Add(everySetting)
	for _, seed := range []string{
		"", "# nothing\n", "listen: :80\n", "window:\n", "window: [1\n", "a: &x 1\nb: *x\n", "window: !!binary x\n", "? x\n: y\n",
		"channels:\n  - pattern: room:*\n    max_age: 7d\n", "channels: [{pattern: a}, {pattern: b, durable: no}]\n",
		"window: 1\n---\nwindow: 2\n", "<<: {window: 1}\n", "api-key: |\n  a\n  b\n", "- 1\n", "\"\\u0000\": 1\n", "\t: x", "x: \xff",
	} {
		f.Add(seed)
	}
	parser, err := newParser(&grammar{}, newSettings(nil), &terminal{Out: io.Discard, Err: io.Discard})
	if err != nil {
		f.Fatal(err)
	}
	names := serverNames(parser.Model)
	f.Fuzz(func(t *testing.T, text string) {
		file, err := parseConfigFile("wirepost.yml", []byte(text), names)
		if err != nil {
			if !strings.HasPrefix(err.Error(), "wirepost.yml:") {
				t.Errorf("%q: the error names no place: %v", text, err)
			}
			return
		}
		for name, value := range file.values {
			if !slices.Contains(names, name) || value.line < 1 {
				t.Errorf("%q: %s in line %d", text, name, value.line)
			}
		}
		for _, policy := range file.channels {
			if policy.Pattern == "" {
				t.Errorf("%q: a policy without a pattern", text)
			}
		}
	})
}

// parse parses a command line with an environment, and a file that WIREPOST_CONFIG
// or --config names as FILE.
func parse(t *testing.T, args, environ []string, file string) (*grammar, *settings, error) {
	t.Helper()
	path := filepath.Join(t.TempDir(), "wirepost.yml")
	if err := os.WriteFile(path, []byte(file), 0o600); err != nil {
		t.Fatal(err)
	}
	replace := func(list []string) (replaced []string) {
		for _, s := range list {
			replaced = append(replaced, strings.ReplaceAll(s, "FILE", path))
		}
		return replaced
	}
	g, s := &grammar{}, newSettings(replace(environ))
	parser, err := newParser(g, s, &terminal{Out: io.Discard, Err: io.Discard})
	if err != nil {
		t.Fatal(err)
	}
	_, err = parseArgs(parser, replace(args))
	return g, s, err
}

func TestPrecedence(t *testing.T) {
	for _, tc := range []struct {
		name    string
		args    []string
		environ []string
		file    string
		want    count
	}{
		{"default", nil, nil, "", 256},
		{"file", nil, nil, "window: 1", 1},
		{"environment", nil, []string{"WIREPOST_WINDOW=2"}, "", 2},
		{"flag", []string{"--window", "3"}, nil, "", 3},
		{"environment before file", nil, []string{"WIREPOST_WINDOW=2"}, "window: 1", 2},
		{"flag before environment", []string{"--window=3"}, []string{"WIREPOST_WINDOW=2"}, "", 3},
		{"flag before all", []string{"--window=3"}, []string{"WIREPOST_WINDOW=2"}, "window: 1", 3},
		{"an empty variable is none", nil, []string{"WIREPOST_WINDOW="}, "window: 1", 1},
	} {
		t.Run(tc.name, func(t *testing.T) {
			args := append([]string{"serve", "--config=FILE"}, tc.args...)
			g, _, err := parse(t, args, tc.environ, tc.file)
			if err != nil || g.Serve.Window != tc.want {
				t.Errorf("got %d, %v; want %d", g.Serve.Window, err, tc.want)
			}
			args = append([]string{"dev"}, tc.args...)
			g, _, err = parse(t, args, append(tc.environ, "WIREPOST_CONFIG=FILE"), tc.file)
			if err != nil || g.Dev.Window != tc.want {
				t.Errorf("dev: got %d, %v; want %d", g.Dev.Window, err, tc.want)
			}
		})
	}
}

const everySetting = `
# every name there is
listen: 127.0.0.1:9000
socket-mode: 0600
data: /srv/wirepost
engine: memory
api-key: [one, "push+read:two"]
token_secret: ` + testSecret + `
token-jwks: https://id.example/keys
token-audience: [push, https://push.example]
token-issuer: https://id.example
allow-origin:
  - https://example.com
  - https://*.example.com
echo: true
console: true
tls-cert: cert.pem
tls-key: key.pem
acme-domain: [push.example.com, "Other.example.com"]
acme-directory: https://ca.example/directory
trusted-proxy: [10.0.0.0/8, "fd00::1", unix]
max-connections: 1
max-user-connections: 2
max-address-connections: 3
handshake-rate: 0.5
message-rate: 5
byte-rate: 6KiB
push-rate: 7
memory: 3GiB
push-memory: 8MiB
tail-memory: 9MiB
reconnect-rate: 10
min-free: 300MiB
max-message: 1MiB
heartbeat: 5s
window: 10
sync-interval: 2ms
ack-delay: 200ms
compress: true
drain: 3s
drain-delay: 4s
log-format: json
log-level: warn
cluster.name: prod
cluster_log: nats://10.0.0.1:4222,10.0.0.2:4222
cluster.node: a
cluster-listen: 10.0.0.1:6222
cluster.peers: [10.0.0.1:6222, "node-b.example:6222"]
cluster.replicas: 5
cluster.shards: 8
cluster.secret: 0123456789abcdef
cluster.tls-cert: node.pem
cluster.tls_key: node-key.pem
cluster.tls-ca: nodes.pem
cluster.credentials: nats.creds
cluster.isolation: 20s
cluster.join: true
cluster.url: https://a.example.com/
cluster: 3
hooks:
  url: https://app.example.com/hook
  connect: https://app.example.com/connect
  subscribe: https://app.example.com/subscribe
  message: http://127.0.0.1:5000/message
  call: http://127.0.0.1:5000/call
  secret: [whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw, whsec_bmV3IG5ldyBuZXcgbmV3IG5ldyBuZXcgbmV3IG5ldw==]
  timeout: 3s
  headers: [Cookie, X-Tenant]
hooks.concurrency: 20
hook-publish: https://app.example.com/publish
webpush: {subject: "mailto:ops@example.com", allow: [push.internal, 10.1.0.0/16]}
traces: {endpoint: "http://127.0.0.1:4318", protocol: grpc}
events-url: https://app.example/events
events:
  grace: 2s
  retention: 1d
  secret: ["whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"]
  types: [user.*]
  channels: ["room:*"]
  endpoints:
    - url: https://b.example/
      secret: whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw
      types: [channel.*, membership.changed]
      channels: "news*"
    - types: message.read
channels:
  - pattern: room:*
    durable: false
    subscribe: anyone
    publish: backend
    presence: true
  - {pattern: news, max_age: 7d, max_messages: 1000}
  - pattern: user:*
    escalate:
      - {after: 30s, via: event}
      - after: 1d
        via: event
    until: read
`

func TestEverySetting(t *testing.T) {
	g, s, err := parse(t, []string{"serve", "--config=FILE"}, nil, everySetting)
	if err != nil {
		t.Fatal(err)
	}
	want := common{
		Listen: "127.0.0.1:9000", SocketMode: 0o600, Data: "/srv/wirepost", Engine: engineMemory, Config: g.Serve.Config,
		AllowOrigin: []origin{"https://example.com", "https://*.example.com"},
		MinFree:     300 << 20, SyncInterval: pause(2 * time.Millisecond),
		MaxMessage: 1 << 20, Heartbeat: heartbeat(5 * time.Second), Window: 10,
		AckDelay: ackDelay(200 * time.Millisecond), Compress: true, Drain: duration(3 * time.Second), DrainDelay: pause(4 * time.Second),
		LogFormat: logJSON, LogLevel: "warn",
	}
	if diff := cmp.Diff(want, g.Serve.common); diff != "" {
		t.Errorf("common (-want +got):\n%s", diff)
	}
	wantSecrets := secrets{
		APIKey: []apiKey{"one", "push+read:two"}, TokenSecret: []secret{testSecret}, TokenJWKS: "https://id.example/keys",
		TokenAudience: []string{"push", "https://push.example"}, TokenIssuer: "https://id.example",
	}
	if diff := cmp.Diff(wantSecrets, g.Serve.secrets); diff != "" {
		t.Errorf("secrets (-want +got):\n%s", diff)
	}
	wantFront := front{
		TLSCert: "cert.pem", TLSKey: "key.pem",
		ACMEDomain: []domain{"push.example.com", "other.example.com"}, ACMEDirectory: "https://ca.example/directory",
		TrustedProxy: []network{network(netip.MustParsePrefix("10.0.0.0/8")), network(netip.MustParsePrefix("fd00::1/128")), {}},
	}
	if !reflect.DeepEqual(wantFront, g.Serve.front) {
		t.Errorf("front: got %+v, want %+v", g.Serve.front, wantFront)
	}
	wantLimits := limits{
		MaxConnections: 1, MaxUserConnections: 2, MaxAddressConnections: 3, HandshakeRate: 0.5, MessageRate: 5,
		ByteRate: 6 << 10, PushRate: 7, Memory: 3 << 30, PushMemory: 8 << 20, TailMemory: 9 << 20, ReconnectRate: 10,
	}
	if diff := cmp.Diff(wantLimits, g.Serve.limits); diff != "" {
		t.Errorf("limits (-want +got):\n%s", diff)
	}
	wantClustering := clustering{
		ClusterName: "prod", ClusterLog: "nats://10.0.0.1:4222,10.0.0.2:4222", ClusterNode: "a",
		ClusterListen: "10.0.0.1:6222", ClusterPeers: []hostPort{"10.0.0.1:6222", "node-b.example:6222"},
		ClusterReplicas: 5, ClusterShards: 8, ClusterSecret: "0123456789abcdef",
		ClusterTLSCert: "node.pem", ClusterTLSKey: "node-key.pem", ClusterTLSCA: "nodes.pem", ClusterCredentials: "nats.creds",
		ClusterIsolation: duration(20 * time.Second), ClusterJoin: true, ClusterURL: "https://a.example.com",
	}
	if diff := cmp.Diff(wantClustering, g.Serve.clustering); diff != "" {
		t.Errorf("clustering (-want +got):\n%s", diff)
	}
	wantHooks := hookSettings{
		HookURL: "https://app.example.com/hook", HookConnect: "https://app.example.com/connect",
		HookSubscribe: "https://app.example.com/subscribe", HookPublish: "https://app.example.com/publish",
		HookMessage: "http://127.0.0.1:5000/message", HookCall: "http://127.0.0.1:5000/call",
		HookSecret:  []hookSecret{"whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw", "whsec_bmV3IG5ldyBuZXcgbmV3IG5ldyBuZXcgbmV3IG5ldw=="},
		HookTimeout: duration(3 * time.Second), HookConcurrency: 20, HookHeaders: []headerName{"cookie", "x-tenant"},
	}
	if diff := cmp.Diff(wantHooks, g.Serve.hookSettings); diff != "" {
		t.Errorf("hooks (-want +got):\n%s", diff)
	}
	wantWebPush := webPushSettings{WebpushSubject: "mailto:ops@example.com", WebpushAllow: []webPushHost{"push.internal", "10.1.0.0/16"}}
	if diff := cmp.Diff(wantWebPush, g.Serve.webPushSettings); diff != "" {
		t.Errorf("webpush (-want +got):\n%s", diff)
	}
	if g.Serve.TracesEndpoint != "http://127.0.0.1:4318" || g.Serve.TracesProtocol != overGRPC {
		t.Errorf("traces: %+v", g.Serve.traceSettings)
	}
	const key = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"
	wantEvents := eventSettings{
		EventsURL: "https://app.example/events", EventsSecret: []hookSecret{key}, EventsTypes: []eventType{"user.*"},
		EventsChannels: []string{"room:*"}, EventsGrace: duration(2 * time.Second), EventsRetention: duration(24 * time.Hour),
	}
	if diff := cmp.Diff(wantEvents, g.Serve.eventSettings); diff != "" {
		t.Errorf("events (-want +got):\n%s", diff)
	}
	config := Config{eventSettings: g.Serve.eventSettings}
	config.EventsEndpoints = s.endpoints()
	wantEndpoints := []wirepost.EventEndpoint{
		{URL: "https://b.example/", Secrets: []string{key}, Types: []string{"channel.*", "membership.changed"}, Channels: []string{"news*"}},
		{Types: []string{"message.read"}},
		{URL: "https://app.example/events", Secrets: []string{key}, Types: []string{"user.*"}, Channels: []string{"room:*"}},
	}
	if diff := cmp.Diff(wantEndpoints, config.endpoints()); diff != "" {
		t.Errorf("endpoints (-want +got):\n%s", diff)
	}
	if !g.Serve.Echo || !g.Serve.Console {
		t.Error("echo and console are off")
	}
	wantPolicies := []wirepost.Policy{
		{Pattern: "room:*", NonDurable: true, Subscribe: wirepost.AccessAnyone, Publish: wirepost.AccessBackendOnly, Presence: true},
		{Pattern: "news", MaxAge: 7 * 24 * time.Hour, MaxMessages: 1000},
		{Pattern: "user:*", Until: wirepost.UntilRead, Escalate: []wirepost.EscalationStep{
			{After: 30 * time.Second, Via: wirepost.ViaEvent}, {After: 24 * time.Hour, Via: wirepost.ViaEvent},
		}},
	}
	policies, sources := s.policies()
	if len(sources) != len(policies) || !regexp.MustCompile(`wirepost\.yml:\d+: channels$`).MatchString(sources[1]) || sources[0] == sources[1] {
		t.Errorf("sources %q", sources)
	}
	if diff := cmp.Diff(wantPolicies, policies); diff != "" {
		t.Errorf("policies (-want +got):\n%s", diff)
	}
	// The file has every name: add new flags above.
	parser, err := newParser(&grammar{}, s, &terminal{Out: io.Discard, Err: io.Discard})
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range serverNames(parser.Model) {
		if _, ok := s.file.values[name]; !ok && name != "channels" && name != endpointsName {
			t.Errorf("%s is not in the file of this test", name)
		}
	}
}

// TestLimitsReachTheLibrary checks that every limit is passed on.
func TestLimitsReachTheLibrary(t *testing.T) {
	c := Config{Dev: true, limits: limits{
		MaxConnections: 1, MaxUserConnections: 2, MaxAddressConnections: 3, HandshakeRate: 0.5, MessageRate: 5,
		ByteRate: 6, TailMemory: 9, ReconnectRate: 10,
	}}
	got, err := c.options(nil, new(reloads))
	if err != nil {
		t.Fatal(err)
	}
	plan, err := newMemoryPlan(&c, 0)
	if err != nil {
		t.Fatal(err)
	}
	plan.apply(&got)
	type limited struct {
		All, User, Address int
		Handshake, Message float64
		Bytes, Tail        int
		Reconnect          float64
	}
	want := limited{1, 2, 3, 0.5, 5, 6, 9, 10}
	have := limited{
		got.MaxConnections, got.MaxUserConnections, got.MaxAddressConnections, got.HandshakeRate, got.MessageRate,
		got.ByteRate, got.TailMemory, got.ReconnectRate,
	}
	if have != want {
		t.Errorf("got %+v, want %+v", have, want)
	}
}

func TestEveryVariable(t *testing.T) {
	environ := []string{
		"WIREPOST_LISTEN=127.0.0.1:9000", "WIREPOST_DATA=/srv/wirepost", "WIREPOST_ENGINE=memory",
		"WIREPOST_API_KEY=one,two", "WIREPOST_TOKEN_SECRET=" + testSecret + ",with,commas",
		"WIREPOST_TOKEN_JWKS=keys.json", "WIREPOST_ALLOW_ORIGIN=https://a.example,https://b.example",
		"WIREPOST_ECHO=true", "WIREPOST_CONSOLE=1", "WIREPOST_TLS_CERT=c", "WIREPOST_TLS_KEY=k",
		"WIREPOST_MAX_MESSAGE=100kB", "WIREPOST_HEARTBEAT=1m", "WIREPOST_ACK_DELAY=2s",
		"WIREPOST_COMPRESS=false", "WIREPOST_DRAIN=1s", "WIREPOST_LOG_FORMAT=json", "WIREPOST_LOG_LEVEL=debug",
		// Variables of the client commands are allowed too, and what Kubernetes sets
		"WIREPOST_SERVER=http://127.0.0.1:8080", "WIREPOST_TOKEN=x",
		"WIREPOST_SERVICE_HOST=10.0.0.1", "WIREPOST_SERVICE_PORT=80", "WIREPOST_SERVICE_PORT_HTTP=80",
		"WIREPOST_PORT=tcp://10.0.0.1:80", "WIREPOST_PORT_80_TCP=tcp://10.0.0.1:80",
		"WIREPOST_PORT_80_TCP_PROTO=tcp", "WIREPOST_INTERNAL_PORT_80_TCP_ADDR=10.0.0.1",
	}
	g, _, err := parse(t, []string{"serve"}, environ, "")
	if err != nil {
		t.Fatal(err)
	}
	wantSecrets := secrets{
		APIKey: []apiKey{"one", "two"}, TokenSecret: []secret{testSecret + ",with,commas"},
		TokenJWKS: "keys.json",
	}
	if diff := cmp.Diff(wantSecrets, g.Serve.secrets); diff != "" {
		t.Errorf("secrets (-want +got):\n%s", diff)
	}
	if c := g.Serve; c.TLSCert != "c" || c.TLSKey != "k" || c.MaxMessage != 100_000 || !c.Echo || !c.Console || c.Compress || len(c.AllowOrigin) != 2 {
		t.Errorf("got %+v", c)
	}
}

func TestBadSettings(t *testing.T) {
	for _, tc := range []struct {
		name    string
		args    []string
		environ []string
		file    string
		want    string // part of the message
	}{
		{"unknown flag", []string{"--widnow=1"}, nil, "", "--widnow"},
		{"bad flag", []string{"--window=0"}, nil, "", `--window: "0" is not an integer`},
		{"bad size", []string{"--max-message=64 furlongs"}, nil, "", `--max-message: "64 furlongs" is not a size`},
		{"bad address", []string{"--listen=8080"}, nil, "", `--listen: "8080" is not an address`},
		{"bad origin", []string{"--allow-origin=example.com"}, nil, "", `--allow-origin: "example.com" is not an origin`},
		{"bad engine", []string{"--engine=nats"}, nil, "", `"nats" is not pebble or memory`},
		{"bad level", []string{"--log-level=loud"}, nil, "", `"loud" is not debug, info, warn or error`},
		{"short secret", []string{"--token-secret=hunter2"}, nil, "", "--token-secret: the secret has 7 bytes"},
		{"secret with a line break", nil, []string{"WIREPOST_TOKEN_SECRET=" + strings.Repeat("s", 32) + "\n"}, "", "WIREPOST_TOKEN_SECRET: the secret begins or ends with white space"},
		{"secret with a line break in the file", nil, nil, "token-secret: |\n  " + strings.Repeat("s", 32) + "\n", "wirepost.yml:1: token-secret: the secret begins or ends with white space"},
		{"bad key", []string{"--api-key=a b"}, nil, "", "--api-key: the key has characters"},
		{"bad scope", []string{"--api-key=psuh:hunter2"}, nil, "", "--api-key: the scopes before the colon of a key"},
		{"bad proxy", []string{"--trusted-proxy=10.0.0.0/33"}, nil, "", `--trusted-proxy: "10.0.0.0/33" is not a network`},
		{"bad domain", []string{"--acme-domain=*.example.com"}, nil, "", `--acme-domain: "*.example.com" is not a host name`},
		{"bad limit", []string{"--max-connections=-1"}, nil, "", `--max-connections: "-1" is not a limit`},
		{"bad rate", []string{"--handshake-rate=fast"}, nil, "", `--handshake-rate: "fast" is not a rate`},
		{"bad byte rate", []string{"--byte-rate=-1"}, nil, "", `--byte-rate: "-1" is not a size: use a number with B, KiB, MiB or GiB, such as 64KiB (less than 2GiB), or 0`},
		{"a large size", []string{"--max-message=2GiB"}, nil, "", `such as 64KiB (less than 2GiB)`},
		{"a large number", []string{"--window=2147483648"}, nil, "", `--window: "2147483648" is not an integer of at most 2147483647`},
		{"a larger number", nil, []string{"WIREPOST_MAX_CONNECTIONS=99999999999999999999"}, "", `WIREPOST_MAX_CONNECTIONS: "99999999999999999999" is not an integer of at most 2147483647`},
		{"a short heartbeat", []string{"--heartbeat=99ms"}, nil, "", `--heartbeat: "99ms" is too short: at least 100ms is needed`},
		{"a short heartbeat in the file", nil, nil, "window: 1\nheartbeat: 1ms\n", `wirepost.yml:2: heartbeat: "1ms" is too short: at least 100ms is needed`},
		{"a short delay", nil, []string{"WIREPOST_ACK_DELAY=1us"}, "", `WIREPOST_ACK_DELAY: "1us" is too short: at least 1ms is needed`},
		{"no heartbeat", nil, nil, "heartbeat: 0s\n", `wirepost.yml:1: heartbeat: "0s" is not a duration`},
		{"a negative number", []string{"--drain-delay", "-1s"}, nil, "", `--drain-delay: "-1s" is not a duration`},
		{"no value", []string{"--listen"}, nil, "", `--listen: a value is needed, such as --listen HOST:PORT`},
		{"a flag as a value", []string{"--data", "--echo"}, nil, "", `--data: a value is needed, such as --data DIR, and "--echo" is a flag`},
		{"neither yes nor no", nil, []string{"WIREPOST_ECHO=maybe"}, "", `WIREPOST_ECHO: "maybe" is not true or false`},

		{"unknown variable", nil, []string{"WIREPOST_WIDNOW=1"}, "", "WIREPOST_WIDNOW: is not a Wirepost variable (did you mean WIREPOST_WINDOW?)"},
		{"far variable", nil, []string{"WIREPOST_ZZZZZZZZ=1"}, "", "WIREPOST_ZZZZZZZZ: is not a Wirepost variable"},
		{"bad variable", nil, []string{"WIREPOST_WINDOW=x"}, "", `WIREPOST_WINDOW: "x" is not an integer`},
		{"bad list", nil, []string{"WIREPOST_ALLOW_ORIGIN=https://a.example,b"}, "", `WIREPOST_ALLOW_ORIGIN: "b" is not an origin`},
		{"short secret in a variable", nil, []string{"WIREPOST_TOKEN_SECRET=hunter2"}, "", "WIREPOST_TOKEN_SECRET: the secret has 7 bytes"},
		{"bad variable that a flag replaces", []string{"--window=1"}, []string{"WIREPOST_WINDOW=x"}, "", `WIREPOST_WINDOW: "x" is not an integer`},
		{"bad value that a flag replaces", []string{"--window=1"}, nil, "echo: true\nwindow: many\n", `wirepost.yml:2: window: "many" is not an integer`},
		{"bad value that a variable replaces", nil, []string{"WIREPOST_WINDOW=1"}, "window: many\n", `wirepost.yml:1: window: "many" is not an integer`},
		{"no such file", nil, []string{"WIREPOST_CONFIG=/no/such/file"}, "", "config: open /no/such/file"},

		{"unknown name", nil, nil, "window: 1\nlisten: :80\nheartbaet: 1s\n", "wirepost.yml:3: heartbaet: is not a Wirepost setting (did you mean heartbeat?)"},
		{"bad value", nil, nil, "# a comment\n\nwindow: many\n", `wirepost.yml:3: window: "many" is not an integer`},
		{"bad bool", nil, nil, "echo: maybe\n", "wirepost.yml:1: echo: "},
		{"bad entry", nil, nil, "listen: :80\nallow-origin:\n  - https://a.example\n  - b\n", `wirepost.yml:2: allow-origin: "b" is not an origin`},
		{"no value", nil, nil, "window:\n", "wirepost.yml:1: window: a value is needed"},
		{"list as value", nil, nil, "window: 1\ndata: [a]\n", "wirepost.yml:2: data: one value is needed, not a list"},
		{"list as number", nil, nil, "window: [1]\n", "wirepost.yml:1: window: one value is needed, not a list"},
		{"map as value", nil, nil, "window:\n  a: 1\n", "wirepost.yml:1: window: a value is needed"},
		{"map in a list", nil, nil, "api-key:\n  - a: 1\n", "wirepost.yml:2: api-key: a list of plain values"},
		{"twice", nil, nil, "window: 1\nwindow: 2\n", "wirepost.yml:2"},
		{"twice in two spellings", nil, nil, "ack-delay: 1s\nack_delay: 2s\n", "wirepost.yml:2: ack-delay: is set twice"},
		{"no map", nil, nil, "just text\n", "wirepost.yml:1"},
		{"broken", nil, nil, "window: 1\nlisten: [\n", "wirepost.yml:2"},
		{"two documents", nil, nil, "window: 1\n---\nwindow: 2\n", "wirepost.yml:3: ---: a second document"},
		{"config in the file", nil, nil, "config: x\n", "wirepost.yml:1: config: is not a Wirepost setting"},

		{"channels are no list", nil, nil, "channels: all\n", "wirepost.yml:1: channels: a list is needed"},
		{"channel without pattern", nil, nil, "channels:\n  - durable: true\n", "wirepost.yml:2: channels: an entry needs a pattern"},
		{"unknown in channel", nil, nil, "channels:\n  - pattern: a\n    max_aeg: 1h\n", "wirepost.yml:3: channels: max_aeg: is not a channel setting (did you mean max_age?)"},
		{"bad access", nil, nil, "channels:\n  - pattern: a\n    publish: everyone\n", `wirepost.yml:3: channels: publish: "everyone" is not token, anyone, backend or hook`},
		{"bad hook", []string{"--hook-connect=app.example.com"}, nil, "", `--hook-connect: it is not an http or https URL, such as https://app.example.com/wirepost`},
		{"bad hook in a variable", nil, []string{"WIREPOST_HOOK_URL=ftp://user:hunter2@x/"}, "", "WIREPOST_HOOK_URL: it is not an http or https URL"},
		{"hook secret without its form", []string{"--hook-secret=hunter2"}, nil, "", "--hook-secret: the secret does not begin with whsec_"},
		{"short hook secret", nil, []string{"WIREPOST_HOOK_SECRET=whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw,whsec_aHVudGVyMg=="}, "", "WIREPOST_HOOK_SECRET: the secret has 7 bytes"},
		{"hook secret that is not base64", nil, nil, "hooks:\n  url: http://x/\n  secret: whsec_hunter2\n", "wirepost.yml:3: hook-secret: what follows whsec_ is not base64"},
		{"hook secrets in a list", nil, nil, "hooks:\n  secret: [whsec_hunter2]\n", "wirepost.yml:2: hook-secret: what follows whsec_ is not base64"},
		{"keys in a list", nil, nil, "api-key: [read:hunter2, 'hunter2 b']\n", "wirepost.yml:1: api-key: the key has characters"},
		{"bad header", nil, nil, "hooks:\n  headers: ['a b']\n", `wirepost.yml:2: hook-headers: "a b" is not the name of a header`},
		{"unknown hook", nil, nil, "hooks:\n  conect: http://x/\n", "wirepost.yml:2: hook-conect: is not a Wirepost setting (did you mean hook-connect?)"},
		{"hooks are no map", nil, nil, "hooks: http://x/\n", "wirepost.yml:1: hooks: is not a Wirepost setting"},
		{"bad durable", nil, nil, "channels:\n  - {pattern: a, durable: 3}\n", `wirepost.yml:2: channels: durable: "3" is not true or false`},
		{"bad pattern", nil, nil, "channels:\n  - pattern: a b\n", `wirepost.yml:2: channels: pattern: "a b"`},
		{"bad age", nil, nil, "channels:\n  - pattern: a\n    max_age: 0s\n", `wirepost.yml:3: channels: max_age: "0s" is not a duration`},
	} {
		t.Run(tc.name, func(t *testing.T) {
			args := append([]string{"serve"}, tc.args...)
			if tc.file != "" {
				args = append(args, "--config=FILE")
			}
			_, _, err := parse(t, args, tc.environ, tc.file)
			if err == nil || !strings.Contains(err.Error(), tc.want) {
				t.Errorf("got  %v\nwant …%s…", err, tc.want)
			}
			if err != nil && strings.Contains(err.Error(), "hunter2") {
				t.Error("the message repeats a secret")
			}
		})
	}
}

func TestSizes(t *testing.T) {
	for text, want := range map[string]size{
		"1": 1, "65536": 65536, "64KiB": 64 << 10, "64 KiB": 64 << 10, "1.5MiB": 3 << 19, "1GiB": 1 << 30, "2MB": 2e6, "10B": 10,
		"0": 0, "-1": 0, "KiB": 0, "64k": 0, "2GiB": 0, "1e99": 0, "NaN": 0, "": 0,
	} {
		var got size
		if err := got.UnmarshalText([]byte(text)); got != want || (err == nil) != (want > 0) {
			t.Errorf("%q: got %d, %v; want %d", text, got, err, want)
		}
	}
}

func TestDurations(t *testing.T) {
	for text, want := range map[string]time.Duration{
		"25s": 25 * time.Second, "1h30m": 90 * time.Minute, "30d": 720 * time.Hour, "0.5d": 12 * time.Hour,
		"0s": 0, "-1s": 0, "25": 0, "": 0, "d": 0, "1e300d": 0, "NaNd": 0,
	} {
		var got duration
		if err := got.UnmarshalText([]byte(text)); time.Duration(got) != want || (err == nil) != (want > 0) {
			t.Errorf("%q: got %s, %v; want %s", text, time.Duration(got), err, want)
		}
	}
}

func TestCheck(t *testing.T) {
	good := secrets{APIKey: []apiKey{"k"}, TokenSecret: []secret{testSecret}}
	with := func(change func(*Config)) Config {
		c := Config{common: common{Listen: ":8080"}, secrets: good}
		change(&c)
		return c
	}
	for _, tc := range []struct {
		name   string
		config Config
		want   string // part of the message; "" for none
	}{
		{"serve", with(func(*Config) {}), ""},
		{"serve with a key set", with(func(c *Config) { c.TokenSecret, c.TokenJWKS = nil, "keys.json" }), ""},
		{"serve with a hook", with(func(c *Config) { c.TokenSecret, c.HookConnect = nil, "http://x/" }), ""},
		{"serve with one for messages", with(func(c *Config) { c.TokenSecret, c.HookMessage = nil, "http://x/" }), "--hook-connect"},
		{"a secret of no hook", with(func(c *Config) { c.HookSecret = []hookSecret{"whsec_"} }), "--hook-secret needs --hook-url"},
		{"a policy without its hook", with(func(c *Config) {
			c.Channels, c.Sources = []wirepost.Policy{{Pattern: "room:*", Subscribe: wirepost.AccessHook}}, []string{"wirepost.yml:7: channels"}
		}), `wirepost.yml:7: channels: the entry "room:*" has subscribe: hook, which needs --hook-subscribe or --hook-url`},
		{"another one", with(func(c *Config) {
			c.Channels, c.Sources = []wirepost.Policy{{Pattern: "room:*", Publish: wirepost.AccessHook}}, []string{"wirepost.yml:7: channels"}
			c.HookSubscribe = "http://x/"
		}), `has publish: hook, which needs --hook-publish or --hook-url`},
		{"a policy with its hook", with(func(c *Config) {
			c.Channels, c.Sources = []wirepost.Policy{{Pattern: "a", Publish: wirepost.AccessHook, Subscribe: wirepost.AccessHook}}, []string{""}
			c.HookURL = "http://x/"
		}), ""},
		{"no key", with(func(c *Config) { c.APIKey = nil }), "openssl rand -hex 32"},
		{"no secret", with(func(c *Config) { c.TokenSecret = nil }), "wirepost token"},
		{"certificate without key", with(func(c *Config) { c.TLSCert = "c" }), "--tls-key"},
		{"two certificates", with(func(c *Config) { c.TLSCert, c.TLSKey, c.ACMEDomain = "c", "k", []domain{"a.example"} }), "cannot be combined"},
		{"dev on loopback", Config{Dev: true, common: common{Listen: "127.0.0.1:0"}}, ""},
		{"dev on IPv6 loopback", Config{Dev: true, common: common{Listen: "[::1]:0"}}, ""},
		{"dev on localhost", Config{Dev: true, common: common{Listen: "localhost:0"}}, ""},
		{"dev everywhere", Config{Dev: true, common: common{Listen: ":8080"}}, "--listen :8080"},
		{"dev on all addresses", Config{Dev: true, common: common{Listen: "0.0.0.0:8080"}}, "--listen"},
		{"dev by name", Config{Dev: true, common: common{Listen: "example.com:8080"}}, "--listen"},
	} {
		err := tc.config.check()
		if (err == nil) != (tc.want == "") || err != nil && !strings.Contains(err.Error(), tc.want) {
			t.Errorf("%s: got %v, want …%s…", tc.name, err, tc.want)
		}
	}
}

// The command refuses what the library would refuse, with the name of the setting, and
// nothing else.
func TestShortestDurations(t *testing.T) {
	for _, tc := range []struct {
		heartbeat, ackDelay time.Duration
		ok                  bool
	}{
		{100 * time.Millisecond, time.Millisecond, true},
		{100*time.Millisecond - 1, time.Millisecond, false},
		{100 * time.Millisecond, time.Millisecond - 1, false},
	} {
		_, _, parsed := parse(t, []string{"dev", "--heartbeat=" + tc.heartbeat.String(), "--ack-delay=" + tc.ackDelay.String()}, nil, "")
		srv, err := wirepost.New(wirepost.Options{Authenticate: auth.Dev(), Heartbeat: tc.heartbeat, AckDelay: tc.ackDelay})
		if err == nil {
			srv.Shutdown(context.Background())
		}
		if (parsed == nil) != tc.ok || (err == nil) != tc.ok {
			t.Errorf("%+v: the command: %v, the library: %v", tc, parsed, err)
		}
	}
}
