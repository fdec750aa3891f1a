package main

import (
	"cmp"
	"errors"
	"fmt"
	"net"
	"net/url"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"
)

// clustering are the settings of a node of a cluster. In the file their names have a
// dot: cluster.name.
type clustering struct {
	ClusterName        clusterName `placeholder:"NAME" help:"Run as a node of the cluster with this name."`
	ClusterLog         logURL      `default:"embedded" placeholder:"URL" help:"The replicated log: embedded, or the URL of NATS servers (nats://HOST:PORT,…) or of PostgreSQL (postgres://USER@HOST/DATABASE) (default ${default})."`
	ClusterNode        nodeName    `placeholder:"NAME" help:"Name of this node, unique in the cluster (default: generated once and kept in the data directory)."`
	ClusterListen      hostPort    `placeholder:"HOST:PORT" help:"Address for the connections between the nodes' embedded logs."`
	ClusterPeers       []hostPort  `placeholder:"HOST:PORT" help:"These addresses of all nodes, including this one; repeatable."`
	ClusterReplicas    replicas    `placeholder:"N" help:"Copies of the log in NATS: 1, 3 or 5 (default: 3, or 1 for an embedded log without peers). With PostgreSQL, 1 accepts a server without a synchronous standby."`
	ClusterShards      shardCount  `placeholder:"N" help:"Number of independent logs, fixed when the cluster is created (default: 4)."`
	ClusterSecret      nodeSecret  `placeholder:"SECRET" help:"Secret that the nodes share, at least 16 bytes. The embedded log requires it outside loopback."`
	ClusterTLSCert     string      `name:"cluster-tls-cert" placeholder:"FILE" help:"Certificate of this node (PEM) for connections to the log."`
	ClusterTLSKey      string      `name:"cluster-tls-key" placeholder:"FILE" help:"Its private key (PEM)."`
	ClusterTLSCA       string      `name:"cluster-tls-ca" placeholder:"FILE" help:"Certificate authority of the nodes or of the NATS servers (PEM)."`
	ClusterCredentials string      `placeholder:"FILE" help:"NATS credentials file (.creds)."`
	ClusterIsolation   duration    `default:"10s" placeholder:"TIME" help:"How long a node may be cut off from the log before it closes its connections (default ${default})."`
	ClusterJoin        bool        `help:"Join only: with an empty data directory, wait until another node has founded the cluster."`
	ClusterURL         publicURL   `name:"cluster-url" placeholder:"URL" help:"URL at which clients reach this node, for GET /v1/cluster (default: the listening address)."`
}

// clustered reports whether the process is a node of a cluster.
func (c *clustering) clustered() bool { return c.ClusterName != "" }

// defaultShards is the number of shards of a new cluster.
const defaultShards = 4

// replicas returns the number of copies of the log.
func (c *clustering) replicas() int {
	if c.ClusterReplicas > 0 {
		return int(c.ClusterReplicas)
	}
	if c.ClusterLog.kind() == logEmbedded && len(c.ClusterPeers) == 0 {
		return 1
	}
	return 3
}

// founders returns how many nodes a new cluster begins with, and 0 if that is not known.
func (c *clustering) founders() int {
	if c.ClusterLog.kind() == logEmbedded {
		return max(1, len(c.ClusterPeers))
	}
	return 0
}

// check verifies combinations of settings.
func (c *clustering) check(engine engineName, dev bool) error {
	if !c.clustered() {
		if name := c.first(); name != "" {
			return usagef("%s needs --cluster-name: without it this is a single node", name)
		}
		return nil
	}
	if engine != enginePebble {
		return usagef("--engine %s: a node of a cluster keeps its replica on disk: use --engine pebble", engine)
	}
	if (c.ClusterTLSCert == "") != (c.ClusterTLSKey == "") {
		return usagef("--cluster-tls-cert and --cluster-tls-key must be set together")
	}
	switch kind := c.ClusterLog.kind(); {
	case kind == logEmbedded:
		return c.checkEmbedded(dev)
	case c.ClusterListen != "" || len(c.ClusterPeers) > 0:
		return usagef("--cluster-listen and --cluster-peers are only for --cluster-log embedded, not %s", c.ClusterLog)
	case c.ClusterSecret != "":
		return usagef("--cluster-secret is only for --cluster-log embedded: put the user and password into the URL, or use --cluster-credentials")
	case kind == logPostgres && (c.ClusterCredentials != "" || c.ClusterTLSCA != "" || c.ClusterTLSCert != ""):
		return usagef("--cluster-credentials and --cluster-tls-… are for NATS: put sslmode, sslrootcert, sslcert and sslkey into the URL of PostgreSQL")
	case kind == logPostgres && c.ClusterReplicas > 1:
		return usagef("--cluster-replicas %d is for NATS: PostgreSQL has its own replication, and 1 accepts that it has none", c.ClusterReplicas)
	}
	return nil
}

// checkEmbedded verifies the settings of an embedded log.
func (c *clustering) checkEmbedded(dev bool) error {
	if c.ClusterCredentials != "" {
		return usagef("--cluster-credentials is for --cluster-log nats://…: the embedded log uses --cluster-secret")
	}
	if c.ClusterListen == "" {
		if len(c.ClusterPeers) > 0 {
			return usagef("--cluster-peers needs --cluster-listen: the address at which the peers reach this node")
		}
		if c.replicas() > 1 {
			return usagef("--cluster-replicas %d needs --cluster-listen and --cluster-peers", c.replicas())
		}
		return nil
	}
	if n := len(c.ClusterPeers); n < c.replicas() {
		return usagef("--cluster-peers names %d of the nodes, but the log has %d copies (--cluster-replicas), each on a node of its own", n, c.replicas())
	}
	for i, peer := range c.ClusterPeers {
		if slices.Contains(c.ClusterPeers[:i], peer) {
			return usagef("--cluster-peers names %s twice", peer)
		}
	}
	if dev && !c.ClusterListen.loopback() {
		return usagef("--cluster-listen %s can be reached from other machines, and dev requires no keys: use a loopback address, or `wirepost serve`", c.ClusterListen)
	}
	if c.ClusterListen.loopback() {
		return nil
	}
	var missing []error
	if c.ClusterSecret == "" {
		missing = append(missing, errors.New("--cluster-secret: generate one with `openssl rand -hex 32` and set it on all nodes as WIREPOST_CLUSTER_SECRET"))
	}
	if c.ClusterTLSCert == "" || c.ClusterTLSCA == "" {
		missing = append(missing, errors.New("--cluster-tls-cert, --cluster-tls-key and --cluster-tls-ca: the nodes encrypt their connections, and verify each other's certificate"))
	}
	if missing != nil {
		return usageError{errors.Join(append([]error{fmt.Errorf("--cluster-listen %s can be reached from other machines, which needs more settings", c.ClusterListen)}, missing...)...)}
	}
	return nil
}

// first returns the first setting that makes sense only in a cluster, or "".
func (c *clustering) first() string {
	for _, s := range []struct {
		name string
		set  bool
	}{
		{"--cluster-listen", c.ClusterListen != ""},
		{"--cluster-peers", len(c.ClusterPeers) > 0},
		{"--cluster-log", c.ClusterLog.kind() != logEmbedded},
		{"--cluster-node", c.ClusterNode != ""},
		{"--cluster-secret", c.ClusterSecret != ""},
		{"--cluster-shards", c.ClusterShards != 0},
		{"--cluster-replicas", c.ClusterReplicas != 0},
		{"--cluster-tls-cert", c.ClusterTLSCert != ""},
		{"--cluster-tls-ca", c.ClusterTLSCA != ""},
		{"--cluster-join", c.ClusterJoin},
		{"--cluster-credentials", c.ClusterCredentials != ""},
		{"--cluster-url", c.ClusterURL != ""},
	} {
		if s.set {
			return s.name
		}
	}
	return ""
}

// clusterName is the name of a cluster. It is a part of the names of streams, subjects
// and rows.
type clusterName string

var plainName = regexp.MustCompile(`^[A-Za-z0-9_-]{1,32}$`)

func (n *clusterName) UnmarshalText(text []byte) error {
	if !plainName.Match(text) {
		return fmt.Errorf("%q is not a name of a cluster: use 1 to 32 letters, digits, - and _", text)
	}
	*n = clusterName(text)
	return nil
}

// nodeName is the name of a node.
type nodeName string

func (n *nodeName) UnmarshalText(text []byte) error {
	if !plainName.Match(text) {
		return fmt.Errorf("%q is not a name of a node: use 1 to 32 letters, digits, - and _", text)
	}
	*n = nodeName(text)
	return nil
}

// The kinds of logs.
const (
	logEmbedded = "embedded"
	logNATS     = "nats"
	logPostgres = "postgres"
)

// logURL says which log a cluster uses. Messages show it without its credentials.
type logURL string

func (l *logURL) UnmarshalText(text []byte) error {
	const known = "use embedded, nats://HOST:PORT,… (or tls://), or postgres://USER@HOST/DATABASE"
	*l = logURL(text)
	if *l == logEmbedded {
		return nil
	}
	scheme, rest, found := strings.Cut(string(text), "://")
	switch {
	case !found || rest == "" || l.kind() == logEmbedded:
		return fmt.Errorf("%q is not a log of a cluster: %s", *l, known)
	case l.kind() == logPostgres:
		return nil // with the syntax of libpq, which has several hosts in one URL
	}
	for server := range strings.SplitSeq(rest, ",") {
		u, err := url.Parse(scheme + "://" + strings.TrimPrefix(server, scheme+"://"))
		if err != nil || u.Hostname() == "" || u.Path != "" || u.RawQuery != "" {
			return fmt.Errorf("%q is not a list of NATS servers: %s", *l, known)
		}
	}
	return nil
}

// kind returns which kind of log it is.
func (l logURL) kind() string {
	switch scheme, _, _ := strings.Cut(string(l), "://"); scheme {
	case "nats", "tls":
		return logNATS
	case "postgres", "postgresql":
		return logPostgres
	}
	return logEmbedded
}

var (
	userInfo   = regexp.MustCompile(`(://|,)[^/@]*@([^/,?]*@)?`) // a password may have an @, too
	inSettings = regexp.MustCompile(`([?&][^=&]*password=)[^&]*`)
)

// String returns the URL without users, passwords and tokens.
func (l logURL) String() string {
	return inSettings.ReplaceAllString(userInfo.ReplaceAllString(string(l), "${1}…@"), "${1}…")
}

// hostPort is a TCP address with a fixed port.
type hostPort string

func (h *hostPort) UnmarshalText(text []byte) error {
	host, port, err := net.SplitHostPort(string(text))
	n, bad := strconv.ParseUint(port, 10, 16)
	if err != nil || bad != nil || n == 0 || host == "" {
		return fmt.Errorf("%q is not the address of a node: use HOST:PORT, such as 10.0.0.1:6222", text)
	}
	*h = hostPort(text)
	return nil
}

func (h hostPort) loopback() bool { return address(h).loopback() }

// split returns the host and the port.
func (h hostPort) split() (host string, port int) {
	host, text, _ := net.SplitHostPort(string(h))
	port, _ = strconv.Atoi(text)
	return host, port
}

// nodeSecret authenticates the nodes to each other. Messages do not contain it.
type nodeSecret string

// minNodeSecret is the least length of a nodeSecret in bytes.
const minNodeSecret = 16

func (s *nodeSecret) UnmarshalText(text []byte) error {
	if len(text) < minNodeSecret || strings.TrimSpace(string(text)) != string(text) {
		return fmt.Errorf("the secret needs at least %d bytes, without white space around it: generate one with `openssl rand -hex 32`", minNodeSecret)
	}
	*s = nodeSecret(text)
	return nil
}

// replicas is the number of copies of a stream. 0: it is not set.
type replicas int

func (r *replicas) UnmarshalText(text []byte) error {
	switch n, err := strconv.Atoi(string(text)); {
	case err == nil && (n == 1 || n == 3 || n == 5):
		*r = replicas(n)
		return nil
	}
	return fmt.Errorf("%q is not 1, 3 or 5", text)
}

// maxShards is the largest number of shards: each has a stream, and a goroutine in every
// node.
const maxShards = 64

// shardCount is a number of shards. 0: it is not set.
type shardCount int

func (s *shardCount) UnmarshalText(text []byte) error {
	n, err := strconv.Atoi(string(text))
	if err != nil || n < 1 || n > maxShards {
		return fmt.Errorf("%q is not a number of shards: use an integer from 1 to %d", text, maxShards)
	}
	*s = shardCount(n)
	return nil
}

// or returns the number of shards of a new cluster.
func (s shardCount) or() int { return cmp.Or(int(s), defaultShards) }

// publicURL is the URL of a node.
type publicURL string

func (p *publicURL) UnmarshalText(text []byte) error {
	var u serverURL
	if err := u.UnmarshalText(text); err != nil {
		return err
	}
	*p = publicURL(u.String())
	return nil
}

// isolation is how long the log may be out of reach before sessions are closed.
func (c *clustering) isolation() time.Duration { return time.Duration(c.ClusterIsolation) }
