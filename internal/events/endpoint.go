package events

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/base32"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"time"

	"github.com/wirepost/wirepost/internal/outbound"
	"github.com/wirepost/wirepost/internal/redact"
	"github.com/wirepost/wirepost/internal/signing"
)

// Endpoint is a URL that events are sent to.
type Endpoint struct {
	URL     *url.URL
	Secrets []signing.Secret
	Epoch   string // of the store
	client  *outbound.Client
	name    string
}

const (
	// requestTimeout limits a request, up to the status of its response.
	requestTimeout = 10 * time.Second
	// maxResponse is how much of a response is read, and discardTime for how long, so that
	// the connection can be used again. Only the status counts.
	maxResponse = 64 << 10
	discardTime = 100 * time.Millisecond
)

// NewEndpoint makes an Endpoint. Its connections are its own, so that none waits for those
// of another.
func NewEndpoint(to *url.URL, secrets []signing.Secret, epoch string) *Endpoint {
	transport := http.DefaultTransport.(*http.Transport).Clone()
	transport.MaxConnsPerHost, transport.MaxResponseHeaderBytes = 1, maxResponse
	sum := sha256.Sum256([]byte(to.String()))
	return &Endpoint{
		URL: to, Secrets: secrets, Epoch: epoch, name: base32.HexEncoding.EncodeToString(sum[:10]),
		client: outbound.New(transport, requestTimeout),
	}
}

// Name is the name of the endpoint's cursor, which follows from its URL.
func (e *Endpoint) Name() string { return e.name }

// Label is the URL without what may be secret in it.
func (e *Endpoint) Label() string { return redact.URL(e.URL.String()) }

// Close closes idle connections.
func (e *Endpoint) Close() { e.client.CloseIdleConnections() }

// page is the body of a request.
type page struct {
	Events []Event `json:"events"`
	Next   uint64  `json:"next"`
}

// Deliver sends events in one request. Any response but 2xx is an error.
func (e *Endpoint) Deliver(ctx context.Context, list []Event) (int, error) {
	last := list[len(list)-1].Seq
	body, err := json.Marshal(page{list, last})
	if err != nil {
		return 0, err
	}
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	request, err := http.NewRequestWithContext(ctx, http.MethodPost, e.URL.String(), bytes.NewReader(body))
	if err != nil {
		return 0, err
	}
	request.Header.Set("Content-Type", "application/json")
	request.Header.Set("User-Agent", "Wirepost")
	signing.Sign(request.Header, e.Secrets, e.id(list[0].Seq, last), time.Now(), body)
	response, err := e.client.Do(request)
	if err != nil {
		if u, ok := err.(*url.Error); ok {
			if err = u.Err; u.Timeout() { // without the URL
				err = fmt.Errorf("no response within %s", e.client.Timeout)
			}
		}
		return 0, err
	}
	defer response.Body.Close()
	late := time.AfterFunc(discardTime, cancel)
	defer late.Stop()
	_, _ = io.CopyN(io.Discard, response.Body, maxResponse)
	switch {
	case response.StatusCode/100 == 2:
		return len(list), nil
	case response.StatusCode/100 == 3:
		return 0, fmt.Errorf("the response is %s, and redirects are not followed", response.Status)
	}
	return 0, fmt.Errorf("the response is %s", response.Status)
}

// id is the ID of a request. The same events sent again have the same.
func (e *Endpoint) id(first, last uint64) string {
	sum := sha256.Sum256(fmt.Appendf(nil, "%s %s %d %d", e.Epoch, e.name, first, last))
	return "evt_" + base32.HexEncoding.EncodeToString(sum[:15])
}
