package hooks

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"net/http"
	"strings"
	"time"

	"github.com/wirepost/wirepost"
	"github.com/wirepost/wirepost/internal/strict"
)

// connectQuestion is the body of a connect request.
type connectQuestion struct {
	Type       string              `json:"type"`
	Connection string              `json:"connection"`
	Device     string              `json:"device"`
	Mode       string              `json:"mode"`
	Address    string              `json:"address"`
	Origin     string              `json:"origin"`
	Headers    map[string][]string `json:"headers"`
	Query      map[string][]string `json:"query"`
}

// connected is the Data of an identity that is refreshed: the question, which is asked
// again.
type connected struct{ question []byte }

// Authenticate identifies the sender of a connect request. It can be called by an
// Options.Authenticate, and only by one.
func (h *Hooks) Authenticate(r *http.Request) (wirepost.Identity, error) {
	connection, mode := wirepost.Connecting(r.Context())
	query := r.URL.Query()
	q := encode(connectQuestion{
		Type: Connect, Connection: connection, Device: query.Get("device"), Mode: mode,
		Address: r.RemoteAddr, Origin: r.Header.Get("Origin"), Headers: h.passOn(r), Query: lowerNames(query),
	})
	return h.identify(r.Context(), connection, q, &connected{q})
}

// refresh asks again about a connection.
func (h *Hooks) refresh(ctx context.Context, s wirepost.Session) (wirepost.Identity, error) {
	c, ok := s.Data.(*connected)
	if !ok {
		return wirepost.Identity{}, errors.New("hooks: a connection whose identity is not from a hook")
	}
	user, err := json.Marshal(s.User)
	if err != nil {
		return wirepost.Identity{}, err
	}
	q := fmt.Appendf(nil, `%s,"user":%s,"refresh":true}`, bytes.TrimSuffix(c.question, []byte{'}'}), user)
	return h.identify(ctx, s.Connection, q, c)
}

func (h *Hooks) identify(ctx context.Context, connection string, question []byte, c *connected) (id wirepost.Identity, err error) {
	err = h.connect.ask(ctx, connection, question, func(r *response) error {
		if refusal := r.refusal("the application refused this connection"); refusal != nil {
			return refusal
		}
		if r.status != http.StatusOK {
			return r.unexpected()
		}
		id, err = parseIdentity(r.body)
		return err
	})
	if err != nil {
		return wirepost.Identity{}, err
	}
	if !id.Expires.IsZero() {
		id.Refresh, id.Data = true, c
	}
	return id, nil
}

// passOn returns the headers of a connect request that the backend gets.
func (h *Hooks) passOn(r *http.Request) map[string][]string {
	all := make(map[string][]string, len(h.headers))
	for _, name := range h.headers {
		switch name {
		case "host":
			all[name] = []string{r.Host}
		case "x-forwarded-for":
			// The client may have sent anything; RemoteAddr is what the server, or
			// middleware, has made of it.
			if host := hostOf(r.RemoteAddr); host != "" {
				all[name] = []string{host}
			}
		default:
			if values := r.Header.Values(name); len(values) > 0 {
				all[name] = values
			}
		}
	}
	return all
}

// hostOf returns an address without its port.
func hostOf(address string) string {
	if host, _, err := net.SplitHostPort(address); err == nil {
		return host
	}
	return address
}

func lowerNames(values map[string][]string) map[string][]string {
	lower := make(map[string][]string, len(values))
	for name, list := range values {
		name = strings.ToLower(name)
		lower[name] = append(lower[name], list...)
	}
	return lower
}

// parseIdentity reads the answer to a connect request. A field with another name is an
// error, because a misspelt one would be missing: without "expires" a connection lasts
// for ever.
func parseIdentity(body []byte) (id wirepost.Identity, err error) {
	err = strict.Object(body, func(name string, value []byte) (err error) {
		if string(value) == "null" {
			return nil
		}
		switch name {
		case "user":
			id.User, err = strict.String(value)
		case "device":
			id.Device, err = strict.String(value)
		case "expires":
			id.Expires, err = parseExpires(value)
		case "channels":
			id.Channels, err = strict.Strings(value)
		case "subscribe":
			id.Subscribe, err = strict.Strings(value)
		case "publish":
			id.Publish, err = strict.Strings(value)
		case "info":
			id.Info = bytes.Clone(value)
		default:
			return fmt.Errorf("the field %q is not one of user, device, expires, channels, subscribe, publish and info", name)
		}
		if err != nil {
			return fmt.Errorf("the field %q: %w", name, err)
		}
		return nil
	})
	if err != nil {
		return id, fmt.Errorf("the response does not identify a user: %w: %q", err, clip(string(body), 200))
	}
	if err := checkIdentity(&id); err != nil {
		// Not wrapped: it is the backend's mistake, and not a refusal.
		return id, fmt.Errorf("the response does not identify a user: %s", err)
	}
	return id, nil
}

func checkIdentity(id *wirepost.Identity) error {
	if id.User == "" {
		return errors.New(`"user" is missing`)
	}
	err := errors.Join(wirepost.CheckUser(id.User), wirepost.CheckDevice(id.Device), wirepost.CheckInfo(id.Info))
	for _, channel := range id.Channels {
		err = errors.Join(err, wirepost.CheckChannel(channel))
		if strings.HasPrefix(channel, wirepost.InboxOf("")) && channel != wirepost.InboxOf(id.User) {
			err = errors.Join(err, fmt.Errorf("%q is the inbox of another user", channel))
		}
	}
	return err
}

// parseExpires reads a duration such as "1h", or a number of seconds, above zero.
func parseExpires(value []byte) (time.Time, error) {
	var seconds float64
	if json.Unmarshal(value, &seconds) == nil {
		return expiry(time.Duration(seconds * float64(time.Second)))
	}
	text, err := strict.String(value)
	if err != nil {
		return time.Time{}, errors.New(`neither a duration such as "1h" nor a number of seconds`)
	}
	d, err := time.ParseDuration(text)
	if err != nil {
		return time.Time{}, fmt.Errorf("%q is not a duration such as 1h", text)
	}
	return expiry(d)
}

func expiry(d time.Duration) (time.Time, error) {
	if d <= 0 {
		return time.Time{}, errors.New("a duration is above zero")
	}
	return time.Now().Add(d), nil
}
