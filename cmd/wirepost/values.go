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

	"github.com/wirepost/wirepost/auth"
	"github.com/wirepost/wirepost/httpapi"
	origins "github.com/wirepost/wirepost/internal/origin"
)

// The types here are the values of flags, variables and the file. Each one says
// what is wrong with a text that it cannot be, so that the message can name the
// place where the text stood.

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
		return fmt.Errorf("%q is no size: a number above zero with B, KiB, MiB or GiB, such as 64KiB, is needed (2GiB at most)", text)
	}
	*s = size(n)
	return nil
}

// memorySize is a size that may be larger.
type memorySize int64

func (m *memorySize) UnmarshalText(text []byte) error {
	n, ok := parseSize(string(text))
	if !ok || n > 1<<50 {
		return fmt.Errorf("%q is not an amount of memory: a number above zero with MiB or GiB, such as 512MiB, is needed", text)
	}
	*m = memorySize(n)
	return nil
}

// parseSize reads a number of bytes above zero.
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

// duration is a length of time above zero: what time.ParseDuration takes, and
// days (30d).
type duration time.Duration

func (d *duration) UnmarshalText(text []byte) error {
	parsed, err := parseDuration(string(text))
	if err != nil || parsed <= 0 {
		return fmt.Errorf("%q is no duration: a number above zero with ms, s, m, h or d, such as 25s, is needed", text)
	}
	*d = duration(parsed)
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

// pause is a length of time that may be zero.
type pause time.Duration

func (p *pause) UnmarshalText(text []byte) error {
	parsed, err := parseDuration(string(text))
	if err != nil || parsed < 0 {
		return fmt.Errorf("%q is no duration: a number with ms, s, m, h or d, such as 25s, or 0 is needed", text)
	}
	*p = pause(parsed)
	return nil
}

// count is a whole number above zero.
type count int

func (c *count) UnmarshalText(text []byte) error {
	n, err := strconv.Atoi(string(text))
	if err != nil || n <= 0 || n > math.MaxInt32 {
		return fmt.Errorf("%q is no whole number above zero", text)
	}
	*c = count(n)
	return nil
}

// percent is a whole number of percent below 100.
type percent int

func (p *percent) UnmarshalText(text []byte) error {
	n, err := strconv.Atoi(string(text))
	if err != nil || n < 0 || n >= 100 {
		return fmt.Errorf("%q is no percentage: a whole number from 0 to 99 is needed", text)
	}
	*p = percent(n)
	return nil
}

// rate is how often something happens in a second.
type rate float64

func (r *rate) UnmarshalText(text []byte) error {
	n, err := strconv.ParseFloat(string(text), 64)
	if err != nil || !(n >= 0.01 && n <= 1e6) {
		return fmt.Errorf("%q is no rate: a number from 0.01 to 1000000 is needed", text)
	}
	*r = rate(n)
	return nil
}

// limit is a whole number; 0 means that there is no limit.
type limit int

func (l *limit) UnmarshalText(text []byte) error {
	n, err := strconv.Atoi(string(text))
	if err != nil || n < 0 || n > math.MaxInt32 {
		return fmt.Errorf("%q is no limit: a whole number is needed, or 0 for no limit", text)
	}
	*l = limit(n)
	return nil
}

// rateLimit is a number for each second; 0 means that there is no limit.
type rateLimit float64

func (r *rateLimit) UnmarshalText(text []byte) error {
	if string(text) == "0" {
		*r = 0
		return nil
	}
	if (*rate)(r).UnmarshalText(text) != nil {
		return fmt.Errorf("%q is no rate: a number from 0.01 to 1000000 is needed, or 0 for no limit", text)
	}
	return nil
}

// byteLimit is a size; 0 means that there is no limit.
type byteLimit int

func (b *byteLimit) UnmarshalText(text []byte) error {
	if string(text) == "0" {
		*b = 0
		return nil
	}
	return (*size)(b).UnmarshalText(text)
}

// address is a host and port to listen on, or a Unix socket.
type address string

func (a *address) UnmarshalText(text []byte) error {
	if path, unix := address(text).socket(); unix {
		if path == "" || path[0] == '@' {
			return fmt.Errorf("%q names no socket: a path, such as unix:/run/wirepost.sock, is needed", text)
		}
		*a = address(text)
		return nil
	}
	_, port, err := net.SplitHostPort(string(text))
	if err == nil {
		_, err = strconv.ParseUint(port, 10, 16)
	}
	if err != nil {
		return fmt.Errorf("%q is no address: host:port, such as 127.0.0.1:8080, or unix:PATH is needed", text)
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
		return fmt.Errorf("%q is no origin: %w", text, err)
	}
	*o = origin(text)
	return nil
}

// secret signs tokens. It is not repeated in messages.
type secret string

func (s *secret) UnmarshalText(text []byte) error {
	if len(bytes.TrimSpace(text)) != len(text) {
		// It would match no token: what signs them rarely has it, too.
		return errors.New("the secret begins or ends with white space, perhaps the line break of a file: remove it, also where tokens are made")
	}
	if len(text) < auth.MinSecret {
		return fmt.Errorf("the secret has %d bytes, HS256 needs at least %d: make one with `openssl rand -hex 32`", len(text), auth.MinSecret)
	}
	*s = secret(text)
	return nil
}

// apiKey is what backends authenticate with, behind the scopes that it has. It is
// not repeated in messages.
type apiKey string

func (k *apiKey) UnmarshalText(text []byte) error {
	if _, err := httpapi.ParseKey(string(text)); err != nil {
		return err
	}
	*k = apiKey(text)
	return nil
}

// keyFor picks a key for a client command: the variable may hold all keys that a
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

// choice makes UnmarshalText for a type that is one of a few words.
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

// engineName names an engine.
type engineName string

const (
	enginePebble engineName = "pebble"
	engineMemory engineName = "memory"
)

func (e *engineName) UnmarshalText(text []byte) error {
	return choice(e, text, enginePebble, engineMemory)
}

// logFormat is how log lines look.
type logFormat string

const (
	logText logFormat = "text"
	logJSON logFormat = "json"
)

func (f *logFormat) UnmarshalText(text []byte) error { return choice(f, text, logText, logJSON) }

// logLevel is the least level that is logged.
type logLevel string

func (l *logLevel) UnmarshalText(text []byte) error {
	return choice(l, text, "debug", "info", "warn", "error")
}

func (l logLevel) level() slog.Level {
	var level slog.Level
	level.UnmarshalText([]byte(l)) //nolint:errcheck // choice let only levels pass
	return level
}

// serverURL is where a running server is. Its String has no slash at the end.
type serverURL struct{ url.URL }

func (s *serverURL) UnmarshalText(text []byte) error {
	if path, unix := address(text).socket(); unix && path != "" {
		s.URL = url.URL{Scheme: "unix", Opaque: path}
		return nil
	}
	u, err := url.Parse(strings.TrimRight(string(text), "/"))
	if err != nil || u.Host == "" || u.RawQuery != "" || u.Fragment != "" {
		return fmt.Errorf("%q is no server: a URL such as http://127.0.0.1:8080 is needed", text)
	}
	switch u.Scheme {
	case "http", "https":
	case "ws":
		u.Scheme = "http"
	case "wss":
		u.Scheme = "https"
	default:
		return fmt.Errorf("%q is no server: http://, https:// or unix: is needed", text)
	}
	s.URL = *u
	return nil
}
