package main

import (
	"bytes"
	"errors"
	"fmt"
	"log/slog"
	"math"
	"net"
	"net/url"
	"strconv"
	"strings"
	"time"

	"github.com/wirepost/wirepost"
	"github.com/wirepost/wirepost/auth"
	"github.com/wirepost/wirepost/httpapi"
	"github.com/wirepost/wirepost/internal/dial"
	origins "github.com/wirepost/wirepost/internal/origin"
)

// The types in this file are the values of flags, variables and file entries. Their
// errors describe the invalid text; the caller adds where it came from.

// size is a number of bytes, such as 64KiB.
type size int

var sizeUnits = []struct {
	suffix string
	bytes  float64
}{
	{"KiB", 1 << 10},
	{"MiB", 1 << 20},
	{"GiB", 1 << 30},
	{"kB", 1e3},
	{"KB", 1e3},
	{"MB", 1e6},
	{"GB", 1e9},
	{"B", 1},
}

func (s *size) UnmarshalText(text []byte) error {
	n, ok := parseSize(string(text))
	if !ok || n > math.MaxInt32 {
		return fmt.Errorf("%q is not a size: use a number above zero with B, KiB, MiB or GiB, such as 64KiB (less than 2GiB)", text)
	}
	*s = size(n)
	return nil
}

// memorySize is a size without an upper limit of 2 GiB.
type memorySize int64

func (m *memorySize) UnmarshalText(text []byte) error {
	n, ok := parseSize(string(text))
	if !ok || n > 1<<50 {
		return fmt.Errorf("%q is not an amount of memory: use a number above zero with MiB or GiB, such as 512MiB", text)
	}
	*m = memorySize(n)
	return nil
}

// parseSize parses a number of bytes above zero.
func parseSize(text string) (n float64, ok bool) {
	number, factor := text, 1.0
	for _, u := range sizeUnits {
		if rest, ok := strings.CutSuffix(number, u.suffix); ok {
			number, factor = strings.TrimSpace(rest), u.bytes
			break
		}
	}
	n, err := strconv.ParseFloat(number, 64)
	return n * factor, err == nil && n*factor >= 1
}

// duration is a duration above zero, in the syntax of time.ParseDuration or in days
// (30d).
type duration time.Duration

func (d *duration) UnmarshalText(text []byte) error {
	parsed, err := parseDuration(string(text))
	if err != nil || parsed <= 0 {
		return fmt.Errorf("%q is not a duration: use a number above zero with ms, s, m, h or d, such as 25s", text)
	}
	*d = duration(parsed)
	return nil
}

// heartbeat is a duration that Options.Heartbeat accepts.
type heartbeat duration

func (h *heartbeat) UnmarshalText(text []byte) error {
	return atLeast((*duration)(h), text, wirepost.MinHeartbeat)
}

// ackDelay is a duration that Options.AckDelay accepts.
type ackDelay duration

func (a *ackDelay) UnmarshalText(text []byte) error {
	return atLeast((*duration)(a), text, wirepost.MinAckDelay)
}

func atLeast(d *duration, text []byte, least time.Duration) error {
	if err := d.UnmarshalText(text); err != nil {
		return err
	}
	if time.Duration(*d) < least {
		return fmt.Errorf("%q is too short: at least %s is needed", text, least)
	}
	return nil
}

func parseDuration(text string) (time.Duration, error) {
	number, ok := strings.CutSuffix(text, "d")
	if !ok {
		return time.ParseDuration(text)
	}
	days, err := strconv.ParseFloat(number, 64)
	if err != nil || days*24 > math.MaxInt64/float64(time.Hour) {
		return 0, errors.New("not a number of days")
	}
	return time.Duration(days * 24 * float64(time.Hour)), nil
}

// instant is a time.
type instant time.Time

func (i *instant) UnmarshalText(text []byte) error {
	if ms, err := strconv.ParseInt(string(text), 10, 64); err == nil && ms > 0 {
		*i = instant(time.UnixMilli(ms))
		return nil
	}
	t, err := time.Parse(time.RFC3339, string(text))
	if err != nil {
		return fmt.Errorf("%q is not a time such as 2026-12-24T18:00:00+01:00, nor in milliseconds since 1970", text)
	}
	*i = instant(t)
	return nil
}

// pause is a duration that may be zero.
type pause time.Duration

func (p *pause) UnmarshalText(text []byte) error {
	parsed, err := parseDuration(string(text))
	if err != nil || parsed < 0 {
		return fmt.Errorf("%q is not a duration: use a number with ms, s, m, h or d, such as 25s, or 0", text)
	}
	*p = pause(parsed)
	return nil
}

// count is an integer above zero.
type count int

func (c *count) UnmarshalText(text []byte) error {
	n, err := strconv.Atoi(string(text))
	switch {
	case tooLarge(n, err):
		return fmt.Errorf("%q is not an integer of at most %d", text, math.MaxInt32)
	case err != nil || n <= 0:
		return fmt.Errorf("%q is not an integer above zero", text)
	}
	*c = count(n)
	return nil
}

// tooLarge reports whether strconv.Atoi found an integer that does not fit in 32 bits.
func tooLarge(n int, err error) bool {
	return n > math.MaxInt32 || n > 0 && errors.Is(err, strconv.ErrRange)
}

// percent is an integer percentage below 100.
type percent int

func (p *percent) UnmarshalText(text []byte) error {
	n, err := strconv.Atoi(string(text))
	if err != nil || n < 0 || n >= 100 {
		return fmt.Errorf("%q is not a percentage: use an integer from 0 to 99", text)
	}
	*p = percent(n)
	return nil
}

// rate is a number per second.
type rate float64

func (r *rate) UnmarshalText(text []byte) error {
	n, err := strconv.ParseFloat(string(text), 64)
	if err != nil || !(n >= 0.01 && n <= 1e6) {
		return fmt.Errorf("%q is not a rate: use a number from 0.01 to 1000000", text)
	}
	*r = rate(n)
	return nil
}

// limit is an integer; 0 means no limit.
type limit int

func (l *limit) UnmarshalText(text []byte) error {
	n, err := strconv.Atoi(string(text))
	switch {
	case tooLarge(n, err):
		return fmt.Errorf("%q is not an integer of at most %d", text, math.MaxInt32)
	case err != nil || n < 0:
		return fmt.Errorf("%q is not a limit: use an integer, or 0 for no limit", text)
	}
	*l = limit(n)
	return nil
}

// rateLimit is a number per second; 0 means no limit.
type rateLimit float64

func (r *rateLimit) UnmarshalText(text []byte) error {
	if string(text) == "0" {
		*r = 0
		return nil
	}
	if (*rate)(r).UnmarshalText(text) != nil {
		return fmt.Errorf("%q is not a rate: use a number from 0.01 to 1000000, or 0 for no limit", text)
	}
	return nil
}

// byteLimit is a size, or 0.
type byteLimit int

func (b *byteLimit) UnmarshalText(text []byte) error {
	if string(text) == "0" {
		*b = 0
		return nil
	}
	if (*size)(b).UnmarshalText(text) != nil {
		return fmt.Errorf("%q is not a size: use a number with B, KiB, MiB or GiB, such as 64KiB (less than 2GiB), or 0", text)
	}
	return nil
}

// address is a host and port to listen on, or a Unix socket.
type address string

func (a *address) UnmarshalText(text []byte) error {
	if path, unix := address(text).socket(); unix {
		if path == "" || path[0] == '@' {
			return fmt.Errorf("%q is not a Unix socket: use unix:PATH, such as unix:/run/wirepost.sock", text)
		}
		*a = address(text)
		return nil
	}
	_, port, err := net.SplitHostPort(string(text))
	if err == nil {
		_, err = strconv.ParseUint(port, 10, 16)
	}
	if err != nil {
		return fmt.Errorf("%q is not an address: use host:port, such as 127.0.0.1:8080, or unix:PATH", text)
	}
	*a = address(text)
	return nil
}

// loopback reports whether only this machine can reach the address.
func (a address) loopback() bool {
	if _, unix := a.socket(); unix {
		return true
	}
	host, _, _ := net.SplitHostPort(string(a))
	ip := net.ParseIP(host)
	return host == "localhost" || ip != nil && ip.IsLoopback()
}

// origin is a pattern of web origins.
type origin string

func (o *origin) UnmarshalText(text []byte) error {
	if _, err := origins.ParsePattern(string(text)); err != nil {
		return fmt.Errorf("%q is not an origin: %w", text, err)
	}
	*o = origin(text)
	return nil
}

// secret signs tokens. Messages do not contain it.
type secret string

func (s *secret) UnmarshalText(text []byte) error {
	if len(bytes.TrimSpace(text)) != len(text) {
		// It would match no token, because token issuers rarely use it with the
		// white space.
		return errors.New("the secret begins or ends with white space, perhaps a newline from a file: remove it, also where tokens are signed")
	}
	if len(text) < auth.MinSecret {
		return fmt.Errorf("the secret has %d bytes, HS256 needs at least %d: generate one with `openssl rand -hex 32`", len(text), auth.MinSecret)
	}
	*s = secret(text)
	return nil
}

// apiKey is a backend's key, preceded by its scopes. Messages do not contain it.
type apiKey string

func (k *apiKey) UnmarshalText(text []byte) error {
	if _, err := httpapi.ParseKey(string(text)); err != nil {
		return err
	}
	*k = apiKey(text)
	return nil
}

// keyFor selects a key for a client command: the variable may hold all keys that a
// server accepts, with their scopes.
func keyFor(keys string, need httpapi.Scope) string {
	for text := range strings.SplitSeq(keys, ",") {
		if k, err := httpapi.ParseKey(text); err == nil && k.Scope.Has(need) {
			return k.Secret
		}
	}
	first, _, _ := strings.Cut(keys, ",")
	return first
}

// choice implements UnmarshalText for a type with a few allowed words.
func choice[T ~string](target *T, text []byte, words ...T) error {
	for _, w := range words {
		if string(text) == string(w) {
			*target = w
			return nil
		}
	}
	list := string(words[0])
	for i, w := range words[1:] {
		if i == len(words)-2 {
			list += " or " + string(w)
		} else {
			list += ", " + string(w)
		}
	}
	return fmt.Errorf("%q is not %s", text, list)
}

// engineName is the name of an engine.
type engineName string

const (
	enginePebble engineName = "pebble"
	engineMemory engineName = "memory"
)

func (e *engineName) UnmarshalText(text []byte) error {
	return choice(e, text, enginePebble, engineMemory)
}

// logFormat is the format of log lines.
type logFormat string

const (
	logText logFormat = "text"
	logJSON logFormat = "json"
)

func (f *logFormat) UnmarshalText(text []byte) error { return choice(f, text, logText, logJSON) }

// logLevel is the minimum level that is logged.
type logLevel string

func (l *logLevel) UnmarshalText(text []byte) error {
	return choice(l, text, "debug", "info", "warn", "error")
}

func (l logLevel) level() slog.Level {
	var level slog.Level
	level.UnmarshalText([]byte(l)) //nolint:errcheck // choice has validated it
	return level
}

// firstURL is the URL of a running server: the first one, if there are several, as
// WIREPOST_SERVER may name all nodes of a cluster.
type firstURL struct{ serverURL }

func (s *firstURL) UnmarshalText(text []byte) error {
	first, _, _ := bytes.Cut(text, []byte(","))
	return s.serverURL.UnmarshalText(first)
}

// serverURL is the URL of a running server. Its String has no trailing slash.
type serverURL struct{ url.URL }

func (s *serverURL) UnmarshalText(text []byte) error {
	if path, unix := address(text).socket(); unix && path != "" {
		s.URL = url.URL{Scheme: "unix", Opaque: path}
		return nil
	}
	u, err := url.Parse(strings.TrimRight(string(text), "/"))
	if err != nil || u.Host == "" || u.RawQuery != "" || u.Fragment != "" {
		return fmt.Errorf("%q is not a server URL: use a URL such as http://127.0.0.1:8080 or unix:/run/wirepost.sock", text)
	}
	if err := dial.CheckHost(u); err != nil {
		return fmt.Errorf("%q is not a server URL: %w", u.Redacted(), err)
	}
	switch u.Scheme {
	case "http", "https":
	case "ws":
		u.Scheme = "http"
	case "wss":
		u.Scheme = "https"
	default:
		return fmt.Errorf("%q is not a server URL: use http://, https:// or unix:PATH", text)
	}
	s.URL = *u
	return nil
}

// texts converts values to strings.
func texts[T ~string](values []T) []string {
	var list []string
	for _, v := range values {
		list = append(list, string(v))
	}
	return list
}

// showDuration returns a duration without units that are zero.
func showDuration(d time.Duration) string {
	text := d.String()
	for _, zero := range []string{"m0s", "h0m"} {
		if strings.HasSuffix(text, zero) {
			text = text[:len(text)-2]
		}
	}
	return text
}
