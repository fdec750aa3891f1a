package webpush

import (
	"bytes"
	"cmp"
	"context"
	"crypto/ecdh"
	"crypto/rand"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"sync"
	"time"

	"github.com/wirepost/wirepost/engine"
	"github.com/wirepost/wirepost/internal/count"
	"github.com/wirepost/wirepost/internal/escalation"
	"github.com/wirepost/wirepost/internal/outbound"
)

const (
	// requestTimeout limits a request, with its response.
	requestTimeout = 8 * time.Second
	// maxResponse is how much of a response is read, so that the connection can be used again.
	maxResponse = 16 << 10
	// concurrency is how many requests are made at the same time.
	concurrency = 128
	// maxTTL is the longest time that push services keep a message.
	maxTTL = 28 * 24 * time.Hour
	// retryAfter is when a push service is asked again that does not say when, and maxRetry the
	// longest time that one may ask for.
	retryAfter = 30 * time.Second
	maxRetry   = time.Hour
)

// Config is the configuration of a Sender.
type Config struct {
	Subject string // a mailto: or https: URL, see CheckSubject
	Allow   Exceptions
	Store   interface {
		engine.Users
		engine.Log
	}
	Now    func() time.Time
	TLS    *tls.Config // nil: the system's roots
	Logger *slog.Logger
}

// Sender sends notifications. It implements escalation.WebPush.
type Sender struct {
	*Subscriptions
	*Keys
	subject  string
	now      func() time.Time
	client   *outbound.Client
	slots    chan struct{}
	hosts    hosts
	requests count.ByLabel
	logger   *slog.Logger
}

var _ escalation.WebPush = (*Sender)(nil)

// New makes a Sender, and the key pair if there is none. Call Close to stop it.
func New(c Config) *Sender {
	transport := &http.Transport{
		// Without a proxy: it would connect to where this server must not.
		DialContext: c.Allow.dialer(requestTimeout / 2), TLSClientConfig: c.TLS, TLSHandshakeTimeout: requestTimeout / 2,
		ForceAttemptHTTP2: true, MaxIdleConns: 128, MaxIdleConnsPerHost: 8, MaxConnsPerHost: concurrency,
		IdleConnTimeout: 5 * time.Minute, MaxResponseHeaderBytes: maxResponse, DisableCompression: true,
		ResponseHeaderTimeout: requestTimeout,
	}
	s := &Sender{
		Subscriptions: &Subscriptions{users: c.Store, allow: &c.Allow, now: c.Now, removed: new(count.ByLabel)},
		Keys:          &Keys{log: c.Store, logger: c.Logger},
		subject:       c.Subject, now: c.Now, logger: c.Logger, slots: make(chan struct{}, concurrency),
		client: outbound.New(transport, requestTimeout),
	}
	s.open()
	return s
}

// Close stops the sender. No call of Send may be in progress.
func (s *Sender) Close() {
	s.close()
	s.client.CloseIdleConnections()
}

// Stats are the counters of a sender.
type Stats struct {
	Requests map[string]uint64 // by result
	Removed  map[string]uint64 // subscriptions, by reason
}

// Stats returns the counters.
func (s *Sender) Stats() Stats { return Stats{s.requests.All(), s.removed.All()} }

var errNoKeys = errors.New("the key pair of Web Push is not known yet")

// Send implements escalation.WebPush.
func (s *Sender) Send(ctx context.Context, userID string, m *escalation.Message, done []string) (escalation.Result, error) {
	pair, since := s.get()
	if pair == nil {
		return escalation.Result{}, errNoKeys
	}
	list, err := s.List(ctx, userID)
	if err != nil {
		return escalation.Result{}, err
	}
	list = slices.DeleteFunc(list, func(sub engine.PushSubscription) bool { return slices.Contains(done, Name(sub.Endpoint)) })
	one := delivery{s: s, m: m, pair: pair, since: since}
	outcomes := make([]outcome, len(list))
	var wg sync.WaitGroup
	for i := range list {
		wg.Go(func() { outcomes[i] = one.to(ctx, &list[i]) })
	}
	wg.Wait()
	var result escalation.Result
	for i := range list {
		if gone := outcomes[i].remove; gone != "" {
			if err := s.drop(ctx, userID, gone, list[i].Endpoint); err != nil {
				s.logger.Warn("Web Push: a subscription that has ended cannot be removed", "user", userID, "error", err)
			}
		}
		outcomes[i].add(&result, Name(list[i].Endpoint))
	}
	return result, nil
}

// outcome is what became of a message for one subscription.
type outcome struct {
	reason string        // why it was not sent; "": it was
	retry  time.Duration // when to try again; 0: never
	remove string        // why the subscription is to be removed; "": it is not
}

func (o outcome) add(r *escalation.Result, name string) {
	switch {
	case o.reason == "":
		r.Sent = append(r.Sent, name)
	case o.retry > 0:
		r.Again = append(r.Again, escalation.Retry{Failure: escalation.Failure{Name: name, Reason: o.reason}, After: o.retry})
	default:
		r.Failed = append(r.Failed, escalation.Failure{Name: name, Reason: o.reason})
	}
}

// delivery is one message for all subscriptions of a user.
type delivery struct {
	s     *Sender
	m     *escalation.Message
	pair  *KeyPair
	since int64 // of the key pair
}

// to sends the message to a subscription: with its data, and without them if the push service
// says that it is too large.
func (d *delivery) to(ctx context.Context, sub *engine.PushSubscription) outcome {
	o, tooLarge := d.attempt(ctx, sub, true)
	if tooLarge && len(d.m.Data) > 0 {
		o, _ = d.attempt(ctx, sub, false)
	}
	return o
}

func (d *delivery) attempt(ctx context.Context, sub *engine.PushSubscription, whole bool) (o outcome, tooLarge bool) {
	request, err := d.request(ctx, sub, whole)
	if err != nil {
		return outcome{reason: err.Error()}, false
	}
	host := request.URL.Host
	if pause := d.s.hosts.pause(host, d.s.now()); pause > 0 {
		return outcome{reason: notResponding, retry: pause}, false
	}
	select {
	case d.s.slots <- struct{}{}:
		defer func() { <-d.s.slots }()
	case <-ctx.Done():
		return outcome{reason: "too many requests are under way", retry: retryAfter}, false
	}
	response, err := d.s.client.Do(request)
	if err != nil {
		return d.s.failed(ctx, host, err), false
	}
	defer response.Body.Close()
	said, _ := io.ReadAll(io.LimitReader(response.Body, maxResponse))
	d.s.hosts.responded(host)
	return d.s.judge(response, said, sub.Since < d.since), response.StatusCode == http.StatusRequestEntityTooLarge
}

// request makes the request for a subscription.
func (d *delivery) request(ctx context.Context, sub *engine.PushSubscription, whole bool) (*http.Request, error) {
	text, contentType, err := encode(d.m, whole)
	if err != nil {
		return nil, err
	}
	key, err := ecdh.P256().GenerateKey(rand.Reader)
	if err != nil {
		return nil, err
	}
	salt := make([]byte, 16)
	rand.Read(salt) //nolint:errcheck // it never fails
	body, err := encrypt(text, sub.P256dh, sub.Auth, salt, key, sizeFor(text))
	if err != nil {
		return nil, err
	}
	endpoint, err := url.Parse(sub.Endpoint)
	if err != nil {
		return nil, errors.New("the endpoint is not a URL")
	}
	if err := d.s.allow.checkEndpoint(endpoint); err != nil { // what is allowed may have changed
		return nil, fmt.Errorf("the endpoint: %w", err)
	}
	now := d.s.now()
	authorization, err := d.pair.authorization(endpoint, d.s.subject, now)
	if err != nil {
		return nil, err
	}
	r, err := http.NewRequestWithContext(ctx, http.MethodPost, sub.Endpoint, bytes.NewReader(body))
	if err != nil {
		return nil, errors.New("the endpoint is not a URL")
	}
	r.Header = http.Header{
		"Authorization":    {authorization},
		"Content-Encoding": {"aes128gcm"},
		"Content-Type":     {contentType},
		"Ttl":              {strconv.FormatInt(int64(min(max(d.m.Expires.Sub(now), 0), maxTTL)/time.Second), 10)},
		"Urgency":          {cmp.Or(d.m.Urgency, defaultUrgency)},
		"User-Agent":       {"Wirepost"},
	}
	if d.m.Key != "" {
		r.Header.Set("Topic", topic(d.m.Channel, d.m.Key))
	}
	return r, nil
}
