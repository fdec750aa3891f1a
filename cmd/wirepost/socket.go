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

// unixPrefix is the prefix of an address that is a Unix socket:
// unix:/run/wirepost.sock.
const unixPrefix = "unix:"

// socket returns the path of the Unix socket, if the address is one.
func (a address) socket() (path string, ok bool) {
	path, ok = strings.CutPrefix(string(a), unixPrefix)
	return strings.TrimPrefix(path, "//"), ok
}

// fileMode is a file's permissions, in octal.
type fileMode fs.FileMode

func (m *fileMode) UnmarshalText(text []byte) error {
	n, err := strconv.ParseUint(string(text), 8, 32)
	if err != nil || n > 0o777 {
		return fmt.Errorf("%q is not a file mode: use octal permissions, such as 0660", text)
	}
	*m = fileMode(n)
	return nil
}

// listen listens on the address.
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
		l.Close() //nolint:errcheck // it is not used
		return nil, err
	}
	file, err := os.Lstat(path)
	if err != nil {
		l.Close() //nolint:errcheck // it is of no use
		return nil, err
	}
	return &socketListener{UnixListener: l, path: path, file: file}, nil
}

// clearSocket removes the socket of a server that was killed. It keeps files that
// are not sockets, and sockets with a running server.
func clearSocket(path string) error {
	info, err := os.Lstat(path)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return nil
	case err != nil:
		return err
	case info.Mode().Type() != fs.ModeSocket:
		return errors.New("the file exists and is not a socket")
	}
	nc, err := net.DialTimeout("unix", path, time.Second)
	switch {
	case err == nil:
		nc.Close() //nolint:errcheck // nothing was sent
		return syscall.EADDRINUSE
	case errors.Is(err, syscall.ECONNREFUSED):
		return os.Remove(path)
	}
	return fmt.Errorf("the socket exists, and checking for a running server failed: %w", err)
}

// socketListener is a Unix socket that removes its file when closed, unless another
// server has replaced it.
type socketListener struct {
	*net.UnixListener
	path string
	file fs.FileInfo
}

// Close implements net.Listener.
func (l *socketListener) Close() error {
	err := l.UnixListener.Close()
	if now, errStat := os.Lstat(l.path); errStat == nil && os.SameFile(now, l.file) {
		os.Remove(l.path) //nolint:errcheck // the next start removes it
	}
	return err
}
