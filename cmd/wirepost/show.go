package main

import (
	"fmt"
	"io/fs"
	"net/netip"
	"reflect"
	"strconv"
	"strings"
	"time"

	"github.com/wirepost/wirepost"
	"github.com/wirepost/wirepost/httpapi"
	"github.com/wirepost/wirepost/internal/redact"
)

// mask replaces a secret.
const mask = "********"

// shown returns a value as it can be set, with secrets masked. An unset value is a dash.
func shown(value any) string {
	switch v := value.(type) {
	case secret, hookSecret, nodeSecret:
		return maskText(fmt.Sprint(v))
	case apiKey:
		scope, _, restricted := strings.Cut(string(v), ":")
		if _, err := httpapi.ParseKey(string(v)); err == nil && restricted {
			return scope + ":" + mask
		}
		return maskText(string(v))
	case logURL:
		return v.String()
	case duration:
		return showDuration(time.Duration(v))
	case heartbeat:
		return showDuration(time.Duration(v))
	case ackDelay:
		return showDuration(time.Duration(v))
	case pause:
		return showDuration(time.Duration(v))
	case size:
		return showSize(int64(v))
	case memorySize:
		return showSize(int64(v))
	case byteLimit:
		if v == 0 {
			return "0"
		}
		return showSize(int64(v))
	case shardCount:
		return showSet(int(v))
	case replicas:
		return showSet(int(v))
	case fileMode:
		return fmt.Sprintf("%#o", fs.FileMode(v))
	case network:
		if v == (network{}) {
			return "unix"
		}
		return netip.Prefix(v).String()
	}
	return showKind(reflect.ValueOf(value))
}

// showKind returns the text of lists and of values without units.
func showKind(v reflect.Value) string {
	switch v.Kind() {
	case reflect.Slice:
		var texts []string
		for i := range v.Len() {
			texts = append(texts, shown(v.Index(i).Interface()))
		}
		return orDash(strings.Join(texts, ","))
	case reflect.String:
		return orDash(redact.Text(v.String()))
	case reflect.Float64:
		return strconv.FormatFloat(v.Float(), 'g', -1, 64)
	}
	return fmt.Sprint(v.Interface())
}

func maskText(text string) string {
	if text == "" {
		return "-"
	}
	return mask
}

func orDash(text string) string {
	if text == "" {
		return "-"
	}
	return text
}

// showSet shows a number that is not set if it is 0.
func showSet(n int) string {
	if n == 0 {
		return "-"
	}
	return strconv.Itoa(n)
}

func showSize(n int64) string {
	if n == 0 {
		return "-"
	}
	for _, unit := range []struct {
		name  string
		bytes int64
	}{{"GiB", 1 << 30}, {"MiB", 1 << 20}, {"KiB", 1 << 10}} {
		if n%unit.bytes == 0 {
			return fmt.Sprintf("%d%s", n/unit.bytes, unit.name)
		}
	}
	return fmt.Sprintf("%dB", n)
}

// showPolicy returns a policy on one line.
func showPolicy(p wirepost.Policy) string {
	text := "pattern: " + p.Pattern
	add := func(name, value string) { text += ", " + name + ": " + value }
	if p.NonDurable {
		add("durable", "false")
	}
	if p.MaxAge > 0 {
		add("max_age", showDuration(p.MaxAge))
	}
	if p.MaxMessages > 0 {
		add("max_messages", strconv.Itoa(p.MaxMessages))
	}
	if p.Subscribe != "" {
		add("subscribe", string(p.Subscribe))
	}
	if p.Publish != "" {
		add("publish", string(p.Publish))
	}
	if p.Presence {
		add("presence", "true")
	}
	if len(p.Escalate) > 0 {
		add("escalate", showSteps(p.Escalate))
	}
	if p.Until != "" {
		add("until", string(p.Until))
	}
	return text
}

// showEndpoint returns an endpoint of events on one line.
func showEndpoint(e wirepost.EventEndpoint) string {
	text := "url: " + orDash(redact.Text(e.URL))
	for i, list := range [][]string{e.Types, e.Channels} {
		if len(list) > 0 {
			text += ", " + [...]string{"types", "channels"}[i] + ": " + strings.Join(list, " ")
		}
	}
	if len(e.Secrets) > 0 {
		text += ", secret: " + mask
	}
	return text
}
