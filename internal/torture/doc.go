// Package torture has no code but tests, of what a bad day does to a server:
//
//   - A run (run_test.go) pushes messages and reads them in every way there is,
//     through a proxy that cuts connections at random bytes (proxy_test.go), while
//     the server is killed and started again: the real program (process_test.go),
//     or one in this process whose disk fails and whose clock jumps (disk_test.go).
//     Everything is written down (history_test.go), and a checker reads it in the
//     end (check_test.go).
//   - Connections are cut at every byte of the handshake and of a frame
//     (cut_test.go).
//   - Attacks are measured: what they cost the server and its other users
//     (attack_test.go).
//   - A soak (soak_linux_test.go) is ordinary work for long: the memory of the
//     process stops growing. It lasts as long as SOAK says, with make soak.
//
// A run is short in go test, and as long as TORTURE says, such as 10m, with make
// torture. It prints its seed; SEED=n runs it again with the same one.
package torture
