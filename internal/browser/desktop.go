package browser

import (
	"bufio"
	"bytes"
	"encoding/binary"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"sync"

	"github.com/godbus/dbus/v5"
)

// desktop is what the browser takes for the session bus of a desktop on Linux (D-Bus), with
// one service on it: that which shows notifications. It shows them to tests.
type desktop struct {
	dir      string
	listener net.Listener
	work     sync.WaitGroup
	mu       struct {
		sync.Mutex
		conns map[net.Conn]bool
		shown map[uint32]*Notification
		last  uint32 // number of a notification
	}
}

// The names of the bus, of the service, and of the connection that owns it.
const (
	busName      = "org.freedesktop.DBus"
	notifierName = "org.freedesktop.Notifications"
	notifierConn = ":1.1"
)

// startDesktop starts the bus on a socket in a directory of its own.
func startDesktop() (*desktop, error) {
	dir, err := os.MkdirTemp("", "desktop")
	if err != nil {
		return nil, err
	}
	d := &desktop{dir: dir}
	first := filepath.Join(d.profile(), "Default")
	if err = os.MkdirAll(first, 0o700); err == nil {
		err = os.WriteFile(filepath.Join(first, "Preferences"), []byte(preferences), 0o600)
	}
	if err == nil {
		d.listener, err = net.Listen("unix", filepath.Join(dir, "bus"))
	}
	if err != nil {
		os.RemoveAll(dir)
		return nil, err
	}
	d.mu.conns, d.mu.shown = map[net.Conn]bool{}, map[uint32]*Notification{}
	d.work.Go(d.accept)
	return d, nil
}

// environment is what makes the browser use the bus.
func (d *desktop) environment() string {
	return "DBUS_SESSION_BUS_ADDRESS=unix:path=" + filepath.Join(d.dir, "bus")
}

// profile is the directory of the browser's profiles.
func (d *desktop) profile() string { return filepath.Join(d.dir, "profile") }

// preferences are those of the first profile.
const preferences = `{"profile":{"default_content_setting_values":{"notifications":1}}}`

// hasDesktop reports whether browsers show notifications by D-Bus here.
const hasDesktop = runtime.GOOS == "linux"

func (d *desktop) stop() {
	d.listener.Close()
	d.mu.Lock()
	for c := range d.mu.conns {
		c.Close()
	}
	d.mu.conns = nil // those that are just accepted close at once
	d.mu.Unlock()
	d.work.Wait()
	os.RemoveAll(d.dir)
}

func (d *desktop) accept() {
	for n := 2; ; n++ {
		c, err := d.listener.Accept()
		if err != nil {
			return
		}
		d.mu.Lock()
		closed := d.mu.conns == nil
		if !closed {
			d.mu.conns[c] = true
		}
		d.mu.Unlock()
		if closed {
			c.Close()
			continue
		}
		d.work.Go(func() {
			defer c.Close()
			d.serve(&busConn{Conn: c, name: fmt.Sprintf(":1.%d", n)})
			d.mu.Lock()
			defer d.mu.Unlock()
			delete(d.mu.conns, c)
		})
	}
}

// busConn is a connection of the browser to the bus, which has several.
type busConn struct {
	net.Conn
	name string
	mu   struct {
		sync.Mutex
		serial uint32
	}
}

// serve answers method calls until the connection ends.
func (d *desktop) serve(c *busConn) {
	r := bufio.NewReader(c)
	if c.authenticate(r) != nil {
		return
	}
	for {
		call, err := dbus.DecodeMessage(r)
		if err != nil {
			return
		}
		if call.Type != dbus.TypeMethodCall {
			continue
		}
		sender, body, known := d.answer(c, call)
		if call.Flags&dbus.FlagNoReplyExpected != 0 {
			continue
		}
		answer := &dbus.Message{Type: dbus.TypeMethodReply, Headers: map[dbus.HeaderField]dbus.Variant{
			dbus.FieldReplySerial: dbus.MakeVariant(call.Serial()),
			dbus.FieldSender:      dbus.MakeVariant(sender),
			dbus.FieldDestination: dbus.MakeVariant(c.name),
		}}
		if !known {
			answer.Type = dbus.TypeError
			answer.Headers[dbus.FieldErrorName] = dbus.MakeVariant("org.freedesktop.DBus.Error.ServiceUnknown")
		}
		if c.send(answer, body...) != nil {
			return
		}
	}
}

// authenticate accepts anyone: the socket is in a directory of this user.
func (c *busConn) authenticate(r *bufio.Reader) error {
	for {
		line, err := r.ReadString('\n')
		if err != nil {
			return err
		}
		answer := "ERROR\r\n"
		switch command, _, _ := strings.Cut(strings.TrimLeft(strings.TrimSpace(line), "\x00"), " "); command {
		case "BEGIN":
			return nil
		case "AUTH", "DATA":
			answer = "OK 0123456789abcdef0123456789abcdef\r\n"
		}
		if _, err := c.Write([]byte(answer)); err != nil {
			return err
		}
	}
}

// send sends a message with values.
func (c *busConn) send(m *dbus.Message, body ...any) error {
	if len(body) > 0 {
		m.Body = body
		m.Headers[dbus.FieldSignature] = dbus.MakeVariant(dbus.SignatureOf(body...))
	}
	var b bytes.Buffer
	if err := m.EncodeTo(&b, binary.LittleEndian); err != nil {
		return err
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	c.mu.serial++
	binary.LittleEndian.PutUint32(b.Bytes()[8:], c.mu.serial) // the package leaves it zero, which is invalid
	_, err := c.Write(b.Bytes())
	return err
}

// answer returns who answers a call, with which values, and whether the call is known.
func (d *desktop) answer(c *busConn, call *dbus.Message) (sender string, body []any, known bool) {
	to, _ := call.Headers[dbus.FieldDestination].Value().(string)
	method, _ := call.Headers[dbus.FieldMember].Value().(string)
	if to == notifierName || to == notifierConn {
		body, known = d.notify(c, method, call.Body)
		return notifierConn, body, known
	}
	about, _ := append(call.Body, "")[0].(string)
	switch method {
	case "Hello":
		return busName, []any{c.name}, true
	case "AddMatch", "RemoveMatch":
		return busName, nil, true
	case "ListNames", "ListActivatableNames":
		return busName, []any{[]string{busName, notifierName}}, true
	case "NameHasOwner":
		return busName, []any{about == notifierName}, true
	case "GetNameOwner":
		return busName, []any{notifierConn}, about == notifierName
	}
	return busName, nil, false
}
