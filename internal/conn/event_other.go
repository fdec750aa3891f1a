//go:build !linux

package conn

import "net"

func newPoller() poller { return newSignal() }

func acknowledgedBy(net.Conn) (bytes uint64, waiting bool) { return 0, false }

// newSocket makes a socket of a connection. Event-driven sockets exist only on Linux.
func newSocket(l *Loop, nc net.Conn) (socket, error) { return newStream(l, nc), nil }
