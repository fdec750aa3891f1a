package main

import (
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// A map in the file is another form of the names with a dot.
func TestClusterGroup(t *testing.T) {
	t.Parallel()
	g, _, err := parse(t, []string{"serve", "--config=FILE"}, nil, "cluster:\n  name: prod\n  peers: [a:1, b:2]\n  tls_ca: ca.pem\n")
	if err != nil {
		t.Fatal(err)
	}
	got := g.Serve.clustering
	if got.ClusterName != "prod" || !slices.Equal(got.ClusterPeers, []hostPort{"a:1", "b:2"}) || got.ClusterTLSCA != "ca.pem" {
		t.Errorf("%+v", got)
	}
	for file, want := range map[string]string{
		"cluster:\n  nmae: prod\n":                       "FILE:2: cluster-nmae: is not a Wirepost setting (did you mean cluster-name?)",
		"cluster.name: prod\ncluster:\n  name: prod\n":   "FILE:3: cluster-name: is set twice",
		"cluster:\n  name: prod\n  listen: 10.0.0.1\n":   `FILE:3: cluster-listen: "10.0.0.1" is not the address of a node`,
		"cluster.log: redis://x\n":                       `FILE:1: cluster-log: "redis://x" is not a log of a cluster`,
		"cluster.log: nats://u:geheim@a,nats://b/path\n": `FILE:1: cluster-log: "nats://…@a,nats://b/path" is not a list of NATS servers`,
		"cluster.name: a.b\n":                            `FILE:1: cluster-name: "a.b" is not a name of a cluster`,
		"cluster.secret: short\n":                        "FILE:1: cluster-secret: the secret needs at least 16 bytes",
		"cluster.replicas: 2\n":                          `FILE:1: cluster-replicas: "2" is not 1, 3 or 5`,
	} {
		_, _, err := parse(t, []string{"serve", "--config=FILE"}, nil, file)
		if err == nil || !strings.HasPrefix(err.Error()[strings.LastIndexByte(err.Error(), '/')+1:], strings.Replace(want, "FILE", "wirepost.yml", 1)) &&
			!strings.Contains(err.Error(), strings.Replace(want, "FILE", "wirepost.yml", 1)) {
			t.Errorf("%q: %v, want %s", file, err, want)
		}
	}
}

// A development server does not join a cluster because of the file or the environment
// that it shares with serve.
func TestDevIgnoresCluster(t *testing.T) {
	t.Parallel()
	g, _, err := parse(t, []string{"dev", "--config=FILE"}, []string{"WIREPOST_CLUSTER_NAME=prod"}, "cluster:\n  name: prod\n  secret: 0123456789abcdef\n")
	if diff := cmp.Diff(clustering{ClusterLog: logEmbedded, ClusterIsolation: g.Dev.ClusterIsolation}, g.Dev.clustering); err != nil || diff != "" {
		t.Error(err, diff)
	}
}

func TestClusterCheck(t *testing.T) {
	t.Parallel()
	tls := []string{"--cluster-tls-cert=c", "--cluster-tls-key=k", "--cluster-tls-ca=a"}
	peers := "--cluster-peers=10.0.0.1:1,10.0.0.2:1,10.0.0.3:1"
	for _, test := range []struct {
		args string
		more []string
		want string // in the error; "": there is none
	}{
		{"", nil, ""},
		{"--cluster-node=a", nil, "--cluster-node needs --cluster-name"},
		{"--cluster-log=nats://a", nil, "--cluster-log needs --cluster-name"},
		{"--cluster-name=x", nil, ""},
		{"--cluster-name=x --engine=memory", nil, "use --engine pebble"},
		{"--cluster-name=x --cluster-replicas=3", nil, "--cluster-replicas 3 needs --cluster-listen"},
		{"--cluster-name=x --cluster-listen=127.0.0.1:1", nil, "--cluster-peers names 0 of the nodes"},
		{
			"--cluster-name=x --cluster-listen=127.0.0.1:1 --cluster-peers=127.0.0.1:1,127.0.0.1:2,127.0.0.1:1", nil,
			"--cluster-peers names 127.0.0.1:1 twice",
		},
		{"--cluster-name=x --cluster-listen=127.0.0.1:1 --cluster-replicas=1 --cluster-peers=127.0.0.1:1", nil, ""},
		{"--cluster-name=x --cluster-listen=127.0.0.1:1 --cluster-peers=127.0.0.1:1,127.0.0.1:2,127.0.0.1:3", nil, ""},
		{"--cluster-name=x --cluster-peers=127.0.0.1:1", nil, "--cluster-peers needs --cluster-listen"},
		{"--cluster-name=x --cluster-listen=10.0.0.1:1 " + peers, nil, "--cluster-secret: generate one"},
		{"--cluster-name=x --cluster-listen=10.0.0.1:1 --cluster-secret=0123456789abcdef " + peers, nil, "encrypt their connections"},
		{"--cluster-name=x --cluster-listen=10.0.0.1:1 --cluster-secret=0123456789abcdef " + peers, tls, ""},
		{"--cluster-name=x --cluster-listen=127.0.0.1:1 --cluster-tls-cert=c " + peers, nil, "must be set together"},
		{"--cluster-name=x --cluster-credentials=f", nil, "the embedded log uses --cluster-secret"},
		{"--cluster-name=x --cluster-log=nats://a:4222 --cluster-credentials=f", tls, ""},
		{"--cluster-name=x --cluster-log=nats://a:4222 --cluster-listen=10.0.0.1:1", nil, "only for --cluster-log embedded"},
		{"--cluster-name=x --cluster-log=nats://a:4222 --cluster-secret=0123456789abcdef", nil, "user and password into the URL"},
		{"--cluster-name=x --cluster-log=postgres://u@a:1,b:2/db", nil, ""},
		{"--cluster-name=x --cluster-log=postgres://u@h/db --cluster-replicas=3", nil, "its own replication"},
		{"--cluster-name=x --cluster-log=postgres://u@h/db", tls, "sslmode"},
	} {
		args := append(append([]string{"serve", "--api-key=0123456789abcdef", "--token-secret=" + testSecret}, strings.Fields(test.args)...), test.more...)
		g, _, err := parse(t, args, nil, "")
		if err == nil {
			c := Config{common: g.Serve.common, secrets: g.Serve.secrets, clustering: g.Serve.clustering}
			err = c.check()
		}
		if test.want == "" && err != nil || test.want != "" && (err == nil || !strings.Contains(err.Error(), test.want)) {
			t.Errorf("%s: %v, want %q", test.args, err, test.want)
		}
	}
}

func TestLogURLHidesCredentials(t *testing.T) {
	t.Parallel()
	for text, want := range map[logURL]string{
		"embedded":                                "embedded",
		"nats://u:geheim@a:1,nats://token@b:2":    "nats://…@a:1,nats://…@b:2",
		"nats://u:geheim@a:1,v:geheim@b:2":        "nats://…@a:1,…@b:2",
		"nats://u:geh@eim@a:1,v:g@h@b:2":          "nats://…@a:1,…@b:2",
		"postgres://u:geh@e@im@h/db":              "postgres://…@h/db",
		"postgres://u:geh,eim@a:1,b:2/db?x=a@b":   "postgres://…@a:1,b:2/db?x=a@b",
		"postgres:///db?host=/run&user=x":         "postgres:///db?host=/run&user=x",
		"postgres:///db?user=x&password=p%26&a=b": "postgres:///db?user=x&password=…&a=b",
		"postgresql://u:p@h/db?sslmode=require":   "postgresql://…@h/db?sslmode=require",
	} {
		if got := text.String(); got != want {
			t.Errorf("%q: %q", text, got)
		}
	}
}

func TestIdentity(t *testing.T) {
	t.Parallel()
	data := t.TempDir()
	c := clustering{ClusterName: "prod", ClusterShards: 8}
	id, lock, err := c.claim(data)
	if err != nil || id.Cluster != "prod" || id.Shards != 8 || !plainName.MatchString(id.Node) {
		t.Fatalf("%+v, %v", id, err)
	}
	if _, _, err := c.claim(data); err == nil || !strings.Contains(err.Error(), "in use by another process") {
		t.Errorf("a second process: %v", err)
	}
	lock.Close()
	again, lock, err := (&clustering{ClusterName: "prod"}).claim(data)
	if err != nil || again != id {
		t.Fatalf("%+v, %v, want %+v", again, err, id)
	}
	lock.Close()
	for want, c := range map[string]clustering{
		"belongs to a node of the cluster prod": {ClusterName: "other"},
		"belongs to the node " + id.Node:        {ClusterName: "prod", ClusterNode: "b"},
		"this cluster has 8":                    {ClusterName: "prod", ClusterShards: 4},
	} {
		if _, _, err := c.claim(data); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%v, want %s", err, want)
		}
	}
}

func TestWithout(t *testing.T) {
	t.Parallel()
	got := without([]string{"dev", "--cluster", "3", "--window=5", "--cluster-shards", "2", "--listen=:1", "--data", "x", "--echo"}, "--cluster", "--listen", "--data")
	if want := []string{"dev", "--window=5", "--cluster-shards", "2", "--echo"}; !slices.Equal(got, want) {
		t.Errorf("%q, want %q", got, want)
	}
}

// TestClusterNumbers: a number that is out of range is refused, and 0 is not the default.
func TestClusterNumbers(t *testing.T) {
	t.Parallel()
	for text, want := range map[string][2]bool{ // as the number of shards, of replicas
		"-1": {}, "0": {}, "1": {true, true}, "2": {true, false}, "3": {true, true}, "64": {true, false}, "65": {}, "": {},
	} {
		got := [2]bool{new(shardCount).UnmarshalText([]byte(text)) == nil, new(replicas).UnmarshalText([]byte(text)) == nil}
		if got != want {
			t.Errorf("%q is accepted: %v, want %v", text, got, want)
		}
	}
}
