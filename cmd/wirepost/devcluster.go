package main

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"time"
)

// devNodes are the nodes of `wirepost dev --cluster N`, each a process of its own.
type devNodes struct {
	t      *terminal
	log    logFormat
	args   []string // of this command, without those that differ between the nodes
	grace  time.Duration
	nodes  []*devNode
	ended  chan *devNode
	output sync.Mutex // held while a line is written
}

// devNode is one of them.
type devNode struct {
	name  string
	flags []string // that only this node has
	cmd   *exec.Cmd
	stdin io.Closer   // the node stops when it is closed
	url   chan string // receives the address, or is closed without one
	at    string      // the address
	err   error       // why it ended
}

// The number of nodes of a development cluster: two would stop when one of them does.
const (
	minDevNodes = 3
	maxDevNodes = 9
)

// devClusterName is the name of a development cluster.
const devClusterName = "dev"

// devCluster runs a cluster of n nodes until ctx is done.
func devCluster(ctx context.Context, t *terminal, c Config, n int, s *settings) error {
	if n < minDevNodes || n > maxDevNodes {
		return usagef("--cluster %d: use %d to %d nodes: a log with less than 3 copies does not survive the loss of a node", n, minDevNodes, maxDevNodes)
	}
	if _, unix := c.Listen.socket(); unix {
		return usagef("--cluster needs a TCP address for each node: --listen %s is a Unix socket", c.Listen)
	}
	if c.ClusterLog.kind() != logEmbedded {
		c.ClusterName = devClusterName
	}
	if err := c.check(); err != nil {
		return err
	}
	d := &devNodes{
		t: t, log: c.LogFormat, args: without(s.args, "--cluster", "--listen", "--data"),
		grace: time.Duration(c.Drain) + 5*time.Second, ended: make(chan *devNode, n),
	}
	if err := d.plan(&c, n); err != nil {
		return err
	}
	defer d.stop()
	for _, node := range d.nodes {
		if err := d.start(node); err != nil {
			return err
		}
	}
	for _, node := range d.nodes {
		if err := d.announce(ctx, node); err != nil {
			return err
		}
	}
	d.hint(&c)
	return d.watch(ctx)
}

// plan gives every node its name, addresses and directory.
func (d *devNodes) plan(c *Config, n int) error {
	host, text, _ := net.SplitHostPort(string(c.Listen))
	port, _ := strconv.Atoi(text) // it was checked
	if port+n-1 > 65535 {
		return usagef("--listen %s: the nodes take this port and the next %d", c.Listen, n-1)
	}
	routes, err := freePorts(n)
	if err != nil {
		return err
	}
	for i := range n {
		node := &devNode{name: string(rune('a' + i)), url: make(chan string, 1)}
		listen := net.JoinHostPort(host, text)
		if port > 0 {
			listen = net.JoinHostPort(host, strconv.Itoa(port+i))
		}
		node.flags = []string{
			"--listen", listen, "--data", filepath.Join(c.Data, "node-"+node.name), "--cluster-name", devClusterName,
			"--cluster-node", node.name,
		}
		if c.ClusterLog.kind() == logEmbedded {
			node.flags = append(node.flags, "--cluster-listen", routes[i], "--cluster-peers", strings.Join(routes, ","))
		}
		d.nodes = append(d.nodes, node)
	}
	return nil
}

// freePorts returns addresses on loopback on which nothing listens. The ports are below
// those that systems give to outgoing connections.
func freePorts(n int) (all []string, err error) {
	for tries := 0; len(all) < n; tries++ {
		at := net.JoinHostPort("127.0.0.1", strconv.Itoa(20000+rand.N(10000)))
		l, err := net.Listen("tcp", at)
		if err != nil && tries < 100 {
			continue
		}
		if err != nil {
			return nil, fmt.Errorf("find a port for the log: %w", err)
		}
		defer l.Close() //nolint:errcheck // it was only tried
		all = append(all, at)
	}
	return all, nil
}

// without returns a command line without some flags and their values.
func without(args []string, names ...string) (rest []string) {
	for i := 0; i < len(args); i++ {
		dropped := false
		for _, name := range names {
			if args[i] == name {
				i++
				dropped = true
				break
			}
			dropped = dropped || strings.HasPrefix(args[i], name+"=")
		}
		if !dropped {
			rest = append(rest, args[i])
		}
	}
	return rest
}

// line is the command line of a node.
func (d *devNodes) line(node *devNode) []string {
	return append(append([]string(nil), d.args...), node.flags...)
}

// start starts the process of a node.
func (d *devNodes) start(node *devNode) error {
	program, err := os.Executable()
	if err != nil {
		return err
	}
	node.cmd = exec.Command(program, append(d.line(node), "--until-stdin")...)
	node.cmd.Args[0] = os.Args[0]
	stdout, err := node.cmd.StdoutPipe()
	if err != nil {
		return err
	}
	stderr, err := node.cmd.StderrPipe()
	if err != nil {
		return err
	}
	if node.stdin, err = node.cmd.StdinPipe(); err != nil {
		return err
	}
	if err := node.cmd.Start(); err != nil {
		return fmt.Errorf("start node %s: %w", node.name, err)
	}
	var reading sync.WaitGroup
	reading.Go(func() { node.findURL(stdout) })
	reading.Go(func() { d.copyLog(node, stderr) })
	go func() {
		reading.Wait()
		node.err = node.cmd.Wait()
		d.ended <- node
	}()
	return nil
}

// findURL reads what a node prints, up to the end.
func (n *devNode) findURL(r io.Reader) {
	defer close(n.url)
	lines := bufio.NewScanner(r)
	for found := false; lines.Scan(); {
		if url, ok := strings.CutPrefix(lines.Text(), "listening "); ok && !found {
			found = true
			n.url <- url
		}
	}
}

// copyLog copies the log of a node, with its name before each line.
func (d *devNodes) copyLog(node *devNode, r io.Reader) {
	in := bufio.NewReader(r)
	for {
		line, err := in.ReadString('\n')
		if line != "" {
			if d.log != logJSON {
				line = node.name + " | " + line
			}
			d.print(d.t.Err, line)
		}
		if err != nil {
			return
		}
	}
}

func (d *devNodes) print(w io.Writer, text string) {
	d.output.Lock()
	defer d.output.Unlock()
	io.WriteString(w, text) //nolint:errcheck // nobody may read it
}

func (d *devNodes) printf(format string, args ...any) { d.print(d.t.Out, fmt.Sprintf(format, args...)) }

// announce waits for the address of a node and prints it.
func (d *devNodes) announce(ctx context.Context, node *devNode) error {
	select {
	case url, ok := <-node.url:
		if !ok {
			return fmt.Errorf("node %s did not start, see above", node.name)
		}
		node.at = url
	case <-ctx.Done():
		return nil
	}
	// The same port when it is started again by hand, so that its clients find it.
	node.flags[1] = strings.TrimPrefix(node.at, "http://")
	d.printf("listening %s\n", node.at)
	return nil
}

// hint prints what a developer can do.
func (d *devNodes) hint(c *Config) {
	var b strings.Builder
	fmt.Fprintln(&b)
	for _, node := range d.nodes {
		fmt.Fprintf(&b, "  node %s      pid %-8d %s  data %s\n", node.name, node.cmd.Process.Pid, node.at, node.flags[3])
	}
	first, second := d.nodes[0], d.nodes[1]
	fmt.Fprintln(&b)
	if c.Console {
		fmt.Fprintf(&b, "  console     %s/console\n", first.at)
	}
	fmt.Fprintf(&b, `  state       curl %[1]s/v1/cluster
  listen      wirepost listen --user 42 --server %[2]s
  push        curl -d hello %[1]s/v1/push/user:42
  kill one    kill -9 %[3]d

The nodes answer 503 until the cluster is ready, which takes some seconds. A push to any of them
reaches the clients of all. What was answered is on the disks of two nodes at least.
`, first.at, second.at, first.cmd.Process.Pid)
	d.print(d.t.Out, b.String())
}

// watch reports nodes that end, until ctx is done or none is left.
func (d *devNodes) watch(ctx context.Context) error {
	for {
		select {
		case <-ctx.Done():
			return nil
		case node := <-d.ended:
			d.forget(node)
			if len(d.nodes) == 0 {
				return errors.New("all nodes have ended")
			}
			d.printf("\nnode %s (pid %d) has ended: %s. %s. Start it again in another terminal:\n\n  %s\n\n",
				node.name, node.cmd.Process.Pid, node.cmd.ProcessState, d.rest(), shellLine(append([]string{os.Args[0]}, d.line(node)...)))
		}
	}
}

func (d *devNodes) rest() string {
	if len(d.nodes) == 1 {
		return "Only one is left"
	}
	return "The others go on"
}

func (d *devNodes) forget(node *devNode) {
	for i := range d.nodes {
		if d.nodes[i] == node {
			d.nodes = append(d.nodes[:i:i], d.nodes[i+1:]...)
			return
		}
	}
}

// stop stops all nodes and waits for them.
func (d *devNodes) stop() {
	left := 0
	for _, node := range d.nodes {
		if node.cmd != nil && node.cmd.Process != nil {
			node.stdin.Close() //nolint:errcheck // the node may have ended
			left++
		}
	}
	late := time.NewTimer(d.grace)
	defer late.Stop()
	for ; left > 0; left-- {
		select {
		case <-d.ended:
		case <-late.C:
			for _, node := range d.nodes {
				node.cmd.Process.Kill() //nolint:errcheck // it may have ended
			}
			<-d.ended
		}
	}
}

// shellLine quotes a command line for a shell.
func shellLine(args []string) string {
	quoted := make([]string, len(args))
	for i, arg := range args {
		if quoted[i] = arg; arg == "" || strings.ContainsAny(arg, " \t\n'\"\\$`&;|<>()*?[]#~!{}") {
			quoted[i] = "'" + strings.ReplaceAll(arg, "'", `'\''`) + "'"
		}
	}
	return strings.Join(quoted, " ")
}

// untilEnd returns a context that is done when r has ended, too.
func untilEnd(ctx context.Context, r io.Reader) (context.Context, context.CancelFunc) {
	ctx, cancel := context.WithCancel(ctx)
	go func() {
		io.Copy(io.Discard, r) //nolint:errcheck // an error is an end
		cancel()
	}()
	return ctx, cancel
}
