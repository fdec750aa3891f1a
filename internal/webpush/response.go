package webpush

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"strconv"
	"time"
)

// notResponding is why a message is sent again to a push service from which nothing came.
const notResponding = "the push service does not respond"

// failed is the outcome of a request without a response.
func (s *Sender) failed(ctx context.Context, host string, err error) outcome {
	if errors.Is(err, errAddress) {
		s.requests.Add("forbidden")
		return outcome{reason: "the endpoint has an address that is not public"}
	}
	if ctx.Err() == nil {
		s.requests.Add("no_response")
		if e, ok := errors.AsType[*url.Error](err); ok {
			if err = e.Err; e.Timeout() { // without the URL
				err = fmt.Errorf("no response within %s", s.client.Timeout)
			}
		}
		s.logger.Warn("Web Push: a push service does not respond", "host", host, "error", err)
		return outcome{reason: notResponding + ": " + printable([]byte(err.Error()), 200), retry: s.hosts.failed(host, s.now())}
	}
	return outcome{reason: notResponding, retry: retryAfter}
}

// judge is the outcome of a response; older says that the subscription was made before the
// present key pair.
func (s *Sender) judge(r *http.Response, said []byte, older bool) outcome {
	s.requests.Add(label(r.StatusCode))
	switch status := r.StatusCode; {
	case status/100 == 2:
		return outcome{}
	case status == http.StatusNotFound, status == http.StatusGone:
		return outcome{reason: strconv.Itoa(status) + ": the subscription has ended", remove: removedGone}
	case status == http.StatusTooManyRequests, status/100 == 5:
		return outcome{reason: reason(status, "the push service asks to be tried again", said), retry: retryTime(r.Header.Get("Retry-After"), s.now())}
	case status/100 == 3:
		return outcome{reason: strconv.Itoa(status) + ": the push service redirects, which is not followed"}
	case older && (status == http.StatusUnauthorized || status == http.StatusForbidden):
		return outcome{reason: strconv.Itoa(status) + ": the subscription was made for another key pair", remove: removedKey}
	}
	return outcome{reason: reason(r.StatusCode, "the push service refuses the message", said)}
}

// label is the status under which a response is counted. There are few, although anybody can
// subscribe with a server of his own.
func label(status int) string {
	if http.StatusText(status) == "" {
		return strconv.Itoa(status/100) + "xx"
	}
	return strconv.Itoa(status)
}

// reason is a response for operators: what it means, with the beginning of what the push service
// says.
func reason(status int, what string, said []byte) string {
	text := strconv.Itoa(status) + ": " + what
	if clipped := printable(said, 200); clipped != "" {
		text += ": " + clipped
	}
	return text
}

// printable is text from outside without what a log or a page should not have.
func printable(text []byte, most int) string {
	var out []byte
	for _, b := range bytes.Join(bytes.Fields(text), []byte(" ")) {
		if len(out) == most {
			break
		}
		if b >= ' ' && b < 0x7f {
			out = append(out, b)
		}
	}
	return string(out)
}

// retryTime reads Retry-After, seconds or a date (RFC 9110, section 10.2.3).
func retryTime(header string, now time.Time) time.Duration {
	after := retryAfter
	if seconds, err := strconv.ParseUint(header, 10, 31); err == nil {
		after = time.Duration(seconds) * time.Second
	} else if at, err := http.ParseTime(header); err == nil {
		after = at.Sub(now)
	}
	return min(max(after, time.Second), maxRetry)
}
