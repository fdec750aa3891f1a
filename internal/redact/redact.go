// Package redact shows URLs of backends, in logs, errors, metrics and responses, without what
// may be secret in them.
package redact

import (
	"net/url"
	"strings"
)

// rest stands for what is not shown.
const rest = "…"

// URL returns the scheme and the host of a URL, and … for everything else: services such as
// those for chats have keys in paths, not only in queries and as passwords. Of a text that
// is not a URL with a host nothing is shown.
func URL(text string) string {
	if shown, ok := redact(text); ok {
		return shown
	}
	return rest
}

// Text returns what URL does for a URL with a host, and any other text as it is.
func Text(text string) string {
	if shown, ok := redact(text); ok {
		return shown
	}
	return text
}

func redact(text string) (shown string, isURL bool) {
	u, err := url.Parse(text)
	if err != nil || u.Scheme == "" || u.Host == "" {
		return "", false
	}
	root := u.Scheme + "://" + u.Host
	if strings.TrimRight(text, "/") == root {
		return root, true
	}
	return root + "/" + rest, true
}
