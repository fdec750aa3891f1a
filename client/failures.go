package client

import (
	"crypto/tls"
	"errors"
	"net"
	"net/http"
)

// mayRepeat reports whether a request that failed may succeed later.
func mayRepeat(err error) bool {
	if e, ok := errors.AsType[*RefusedError](err); ok {
		return e.Temporary() || e.foreign
	}
	return !isUntrusted(err) && !errors.Is(err, ErrProtocol) && !errors.Is(err, ErrBadRequest)
}

func isUntrusted(err error) bool {
	_, untrusted := errors.AsType[*tls.CertificateVerificationError](err)
	return untrusted
}

// isUnreachable reports whether a request failed before it was sent.
func isUnreachable(err error) bool {
	if e, ok := errors.AsType[*net.OpError](err); ok && e.Op == "dial" {
		return true
	}
	_, unresolved := errors.AsType[*net.DNSError](err)
	return unresolved || isUntrusted(err)
}

// tokenError is an error of Options.Token.
type tokenError struct{ err error }

func (e *tokenError) Error() string { return "get a token: " + e.err.Error() }

func (e *tokenError) Unwrap() error { return e.err }

// stays reports whether the next attempt is made at the same node: after errors that are not
// about the node, and not to get around a limit.
func stays(err error) bool {
	if _, ok := errors.AsType[*tokenError](err); ok {
		return true
	}
	e, ok := errors.AsType[*RefusedError](err)
	return ok && e.Status == http.StatusTooManyRequests
}

// isUnsuitable reports whether an error shows that there is no suitable server at a URL. At
// the URL of another node there may be one.
func isUnsuitable(err error) bool {
	if e, ok := errors.AsType[*RefusedError](err); ok {
		return e.foreign
	}
	return isUntrusted(err) || errors.Is(err, ErrProtocol)
}
