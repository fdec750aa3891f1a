package conn

import (
	"net"
	"syscall"

	"golang.org/x/sys/unix"
)

// acknowledgedBy queries the connection under a stream, if it is TCP.
func acknowledgedBy(nc net.Conn) (bytes uint64, waiting bool) {
	tcp, ok := nc.(syscall.Conn)
	if !ok {
		return 0, false
	}
	raw, err := tcp.SyscallConn()
	if err != nil {
		return 0, false
	}
	raw.Control(func(fd uintptr) { bytes, waiting = tcpAcknowledged(int(fd)) }) //nolint:errcheck // closed: nothing is pending
	return bytes, waiting
}

// tcpAcknowledged reads tcp_info (tcp(7)), which only TCP sockets have.
func tcpAcknowledged(fd int) (bytes uint64, waiting bool) {
	info, err := unix.GetsockoptTCPInfo(fd, unix.IPPROTO_TCP, unix.TCP_INFO)
	if err != nil {
		return 0, false
	}
	return info.Bytes_acked, info.Unacked > 0 || info.Notsent_bytes > 0
}
