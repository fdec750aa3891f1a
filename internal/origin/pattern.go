package origin

import (
	"errors"
	"strings"

	"github.com/wirepost/wirepost/internal/glob"
)

// Pattern matches origins.
type Pattern struct {
	any    bool
	origin Origin
	labels []string // of the host, if there is a * in it
}

// Patterns matches an origin that one of its patterns matches.
type Patterns []Pattern

// ParsePattern reads "*", which matches every page, or an origin in whose host *
// may stand for a label or several (https://*.example.com), or for a part of one
// (https://app-*.example.com).
func ParsePattern(text string) (Pattern, error) {
	if text == "*" {
		return Pattern{any: true}, nil
	}
	scheme, authority, _ := strings.Cut(text, "://")
	host, port, ok := splitPort(authority)
	switch {
	case strings.Contains(scheme, "*") || strings.Contains(port, "*"):
		return Pattern{}, errors.New("* stands for labels of the host only")
	case ok && strings.Contains(host, "*"):
		return parseHostPattern(scheme, host, port)
	}
	o, ok := Parse(text)
	if !ok {
		return Pattern{}, errors.New("scheme and host without a path, such as https://example.com or https://*.example.com, are needed")
	}
	return Pattern{origin: o}, nil
}

func parseHostPattern(scheme, host, port string) (Pattern, error) {
	stand := "host"
	if port != "" {
		stand += ":" + port
	}
	o, ok := Parse(scheme + "://" + stand)
	p := Pattern{origin: o, labels: strings.Split(host, ".")}
	for i, label := range p.labels {
		star := strings.Contains(label, "*")
		if !star {
			label, ok = toASCIILabel(label, ok)
		}
		label = strings.ToLower(label)
		ok = ok && label != "" && isPlain(strings.ReplaceAll(label, "*", ""))
		p.labels[i] = label
	}
	if !ok {
		return Pattern{}, errors.New("scheme and host without a path, such as https://*.example.com, are needed")
	}
	return p, nil
}

func toASCIILabel(label string, valid bool) (string, bool) {
	label, ok := toASCII(label)
	return label, ok && valid
}

// ParsePatterns reads a list of patterns. An invalid one matches nothing: the list was
// checked before.
func ParsePatterns(texts []string) Patterns {
	ps := make(Patterns, 0, len(texts))
	for _, text := range texts {
		if p, err := ParsePattern(text); err == nil {
			ps = append(ps, p)
		}
	}
	return ps
}

// Match reports whether an Origin header names an origin that one of the patterns
// matches.
func (ps Patterns) Match(header string) bool {
	o, ok := Parse(header)
	for i := range ps {
		if ps[i].any || ok && ps[i].match(o) {
			return true
		}
	}
	return false
}

func (p *Pattern) match(o Origin) bool {
	if p.labels == nil {
		return p.origin == o
	}
	return p.origin.Scheme == o.Scheme && p.origin.Port == o.Port &&
		matchLabels(p.labels, strings.Split(o.Host, "."))
}

// matchLabels matches a host's labels. A pattern has few stars, and a name at most
// 127 labels.
func matchLabels(pattern, labels []string) bool {
	if len(pattern) == 0 || len(labels) == 0 {
		return len(pattern) == len(labels)
	}
	if pattern[0] != "*" {
		return glob.Match(pattern[0], labels[0]) && matchLabels(pattern[1:], labels[1:])
	}
	for n := 1; n <= len(labels); n++ {
		if matchLabels(pattern[1:], labels[n:]) {
			return true
		}
	}
	return false
}
