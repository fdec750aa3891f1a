// Package torture contains only fault tests:
//
//   - A run (run_test.go) pushes messages and reads them in every mode,
//     through a proxy that cuts connections at random bytes (proxy_test.go), while
//     the server is killed and restarted: the real program (process_test.go),
//     or one in this process whose disk fails and whose clock jumps (disk_test.go).
//     Every operation is recorded (history_test.go), and verified at the end
//     (check_test.go).
//   - A run against a cluster (members_test.go) has three nodes in this process, over a
//     log in memory that loses and repeats proposals and responses, and connections that
//     work in one direction or none (loglink_test.go). Clients reach the nodes through a
//     load balancer (balancer_test.go); each node is watched as well (watch_test.go). The
//     rules for several nodes are in checkcluster_test.go and checkrevoked_test.go.
//   - The same with three processes of the real program (nodes_test.go), which are killed,
//     paused, restarted, emptied, damaged and cut off from each other (nodefaults_test.go,
//     wire_test.go). Their log is embedded, or in three NATS servers (natsserver_test.go),
//     or in PostgreSQL with a synchronous standby, which replaces a server that was killed
//     (postgres_test.go). In long runs their clocks are apart, and their disks may be slow
//     (faultybuild_test.go). Two more long runs have one fault each: nodes are killed in turn
//     (inturn_test.go), and 5 000 clients reconnect at once (herd_test.go).
//   - Messages escalate, unless they are acknowledged, while one server or one of three nodes
//     is killed (escalation_test.go).
//   - A run ends with counts of what happened (tally_test.go).
//   - Connections are cut at every byte of the handshake and of a frame
//     (cut_test.go).
//   - Attacks are measured: their cost to the server and its other users
//     (attack_test.go).
//   - A soak test (soak_linux_test.go) runs ordinary load for a long time, after which
//     memory must have stopped growing. SOAK sets its duration, with make soak.
//
// A run is short in go test; with make torture, TORTURE sets its duration, such as 10m.
// It prints its seed; SEED=n repeats it with the same one.
package torture
