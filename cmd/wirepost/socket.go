package main

import (
	"errors"
	"fmt"
	"io/fs"
	"net"
	"os"
	"strconv"
	"strings"
	"syscall"
	"time"
)

// unixPrefix begins an address that is a Unix socket: unix:/run/wirepost.sock.
const unixPrefix = "unix:"

// socket is the path of the Unix socket that the address names.
func (a address) socket() (path string, ok bool) {
	path, ok = strings.CutPrefix(string(a), unixPrefix)
	return strings.TrimPrefix(path, "//"), ok
}

// fileMode is the permissions of a file, in octal.
type fileMode fs.FileMode

func (m *fileMode) UnmarshalText(text []byte) error {
	n, err := strconv.ParseUint(string(text), 8, 32)
	if err != nil || n > 0o777 {
		return fmt.Errorf("%q is no file mode: permissions in octal, such as 0660, are needed", text)
	}
	*m = fileMode(n)
	return nil
}

// listen takes the address.
func (a address) listen(mode fileMode) (net.Listener, error) {
	path, unix := a.socket()
	if !unix {
		return net.Listen("tcp", string(a))
	}
	if err := clearSocket(path); err != nil {
		return nil, err
	}
	l, err := net.ListenUnix("unix", &net.UnixAddr{Name: path, Net: "unix"})
	if err != nil {
		return nil, err
	}
	l.SetUnlinkOnClose(false) // see socketListener.Close
	if err := os.Chmod(path, os.FileMode(mode)); err != nil {
		l.Close() //nolint:errcheck // it is of no use
		return nil, err
	}
	file, err := os.Lstat(path)
	if err != nil {
		l.Close() //nolint:errcheck // it is of no use
		return nil, err
	}
	return &socketListener{UnixListener: l, path: path, file: file}, nil
}

// clearSocket removes the socket of a server that has ended without doing it. What
// is not a socket stays, and so does one that is answered at.
func clearSocket(path string) error {
	info, err := os.Lstat(path)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return nil
	case err != nil:
		return err
	case info.Mode().Type() != fs.ModeSocket:
		return errors.New("there is a file that is not a socket")
	}
	nc, err := net.DialTimeout("unix", path, time.Second)
	switch {
	case err == nil:
		nc.Close() //nolint:errcheck // nothing was sent
		return syscall.EADDRINUSE
	case errors.Is(err, syscall.ECONNREFUSED):
		return os.Remove(path)
	}
	return fmt.Errorf("there is a socket, and whether a server is behind it is not to be found out: %w", err)
}

// socketListener is a Unix socket that removes its file at the end, unless another
// server has put its own there meanwhile.
type socketListener struct {
	*net.UnixListener
	path string
	file fs.FileInfo
}

// Close implements net.Listener.
func (l *socketListener) Close() error {
	err := l.UnixListener.Close()
	if now, errStat := os.Lstat(l.path); errStat == nil && os.SameFile(now, l.file) {
		os.Remove(l.path) //nolint:errcheck // a next start removes it
	}
	return err
}
