package browser

import (
	"context"
	"fmt"
	"slices"
	"testing"

	"github.com/godbus/dbus/v5"
)

// Notification is one that the browser shows on the desktop.
type Notification struct {
	Title string
	Text  string // with the origin of the page

	number  uint32
	actions []string // names and titles, in turn
	conn    *busConn
}

// WaitNotification waits until a notification with this title is shown, by any page of the
// browser. Only on Linux notifications can be seen: elsewhere the test is skipped.
func WaitNotification(t *testing.T, tab context.Context, title string) *Notification {
	t.Helper()
	if !hasDesktop {
		t.Skip("notifications are seen on Linux only")
	}
	var n *Notification
	repeat(t, tab, fmt.Sprintf("notification %q", title), func(context.Context) (bool, error) {
		n = shared.desktop.find(title)
		return n != nil, nil
	})
	return n
}

// WaitNoNotification waits until no notification with this title is shown any more.
func WaitNoNotification(t *testing.T, tab context.Context, title string) {
	t.Helper()
	repeat(t, tab, fmt.Sprintf("no notification %q", title), func(context.Context) (bool, error) {
		return shared.desktop.find(title) == nil, nil
	})
}

// Click clicks the notification, or its button with this title.
func (n *Notification) Click(t *testing.T, button string) {
	t.Helper()
	name := "default"
	if button != "" {
		i := slices.Index(n.actions, button)
		if i < 1 {
			t.Fatalf("the notification has no button %q, but %q", button, n.actions)
		}
		name = n.actions[i-1]
	}
	if err := n.signal("ActionInvoked", n.number, name); err != nil {
		t.Fatal(err)
	}
}

// signal tells the browser what has happened to the notification.
func (n *Notification) signal(member string, body ...any) error {
	return n.conn.send(&dbus.Message{Type: dbus.TypeSignal, Headers: map[dbus.HeaderField]dbus.Variant{
		dbus.FieldSender:    dbus.MakeVariant(notifierConn),
		dbus.FieldPath:      dbus.MakeVariant(dbus.ObjectPath("/org/freedesktop/Notifications")),
		dbus.FieldInterface: dbus.MakeVariant(notifierName),
		dbus.FieldMember:    dbus.MakeVariant(member),
	}}, body...)
}

// notify is the service: the Desktop Notifications Specification, section 9.
func (d *desktop) notify(c *busConn, method string, body []any) (answer []any, known bool) {
	switch method {
	case "GetCapabilities":
		return []any{[]string{"actions", "body", "body-markup", "persistence"}}, true
	case "GetServerInformation":
		return []any{"desktop", "wirepost", "1", "1.2"}, true
	case "Notify":
		return []any{d.show(c, body)}, true
	case "CloseNotification":
		d.close(body[0].(uint32))
		return nil, true
	}
	return nil, false
}

// show shows a notification, maybe in place of another one.
func (d *desktop) show(c *busConn, body []any) uint32 {
	d.mu.Lock()
	defer d.mu.Unlock()
	number := body[1].(uint32)
	if number == 0 {
		d.mu.last++
		number = d.mu.last
	}
	d.mu.shown[number] = &Notification{Title: body[3].(string), Text: body[4].(string), number: number, actions: body[5].([]string), conn: c}
	return number
}

// close closes a notification, as its page wants.
func (d *desktop) close(number uint32) {
	d.mu.Lock()
	n := d.mu.shown[number]
	delete(d.mu.shown, number)
	d.mu.Unlock()
	if n != nil {
		const byCall = uint32(3)
		n.signal("NotificationClosed", number, byCall) //nolint:errcheck // the browser has ended
	}
}

func (d *desktop) find(title string) *Notification {
	d.mu.Lock()
	defer d.mu.Unlock()
	for _, n := range d.mu.shown {
		if n.Title == title {
			return n
		}
	}
	return nil
}
