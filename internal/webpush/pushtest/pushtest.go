// Package pushtest is a push service for tests (RFC 8030). It checks requests as the real ones
// do, and decrypts messages as a browser does.
package pushtest

import (
	"crypto/ecdh"
	"crypto/rand"
	"crypto/tls"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
)

// maxBody is the largest body that is accepted.
const maxBody = 4096

// Service is a push service. It is safe for concurrent use. A request that a real one would not
// accept is an error of the test, unless the subscription expects it.
type Service struct {
	URL string      // its origin
	TLS *tls.Config // with its certificate as the only root; nil without TLS

	t  testing.TB
	mu struct {
		sync.Mutex
		subscriptions map[string]*Subscription // by the path of the endpoint
	}
}

// New starts a push service over http on a loopback address.
func New(t testing.TB) *Service {
	s := &Service{t: t}
	server := httptest.NewServer(s)
	s.URL = server.URL
	t.Cleanup(server.Close)
	return s
}

// NewTLS starts a push service with a certificate and HTTP/2, as the real ones have it.
func NewTLS(t testing.TB) *Service {
	s := &Service{t: t}
	server := httptest.NewUnstartedServer(s)
	server.EnableHTTP2 = true
	server.StartTLS()
	s.URL = server.URL
	s.TLS = server.Client().Transport.(*http.Transport).TLSClientConfig.Clone()
	t.Cleanup(server.Close)
	return s
}

// Subscription is the subscription of a browser.
type Subscription struct {
	Endpoint string
	// P256dh and Auth are its keys.
	P256dh, Auth []byte

	private *ecdh.PrivateKey
	vapid   string // the public key that it is for; "": any
	arrived chan Message

	mu struct {
		sync.Mutex
		handlers []http.HandlerFunc
		refuses  bool
	}
}

// Message is an accepted message.
type Message struct {
	Text        []byte // decrypted
	Size        int    // of the body
	Padding     int
	ContentType string
	TTL         int // seconds
	Urgency     string
	Topic       string
	Subject     string // of the VAPID token
	Key         string // the server's public key
	Proto       string // HTTP/1.1 or HTTP/2.0
}

// Subscribe subscribes a browser, with the server's public key as its applicationServerKey; ""
// allows any.
func (s *Service) Subscribe(vapid string) *Subscription {
	private, err := ecdh.P256().GenerateKey(rand.Reader)
	if err != nil {
		s.t.Fatal(err)
	}
	auth := make([]byte, 16)
	rand.Read(auth) //nolint:errcheck // it never fails
	path := "/push/" + rand.Text()
	sub := &Subscription{
		Endpoint: s.URL + path, P256dh: private.PublicKey().Bytes(), Auth: auth,
		private: private, vapid: vapid, arrived: make(chan Message, 1000),
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.mu.subscriptions == nil {
		s.mu.subscriptions = map[string]*Subscription{}
	}
	s.mu.subscriptions[path] = sub
	return sub
}

// Unsubscribe ends a subscription: further requests are answered with 410.
func (s *Service) Unsubscribe(sub *Subscription) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.mu.subscriptions[strings.TrimPrefix(sub.Endpoint, s.URL)] = nil
}

// JSON is the subscription as PushSubscription.toJSON() has it.
func (sub *Subscription) JSON() json.RawMessage {
	text, err := json.Marshal(map[string]any{
		"endpoint": sub.Endpoint, "expirationTime": nil,
		"keys": map[string]string{
			"p256dh": base64.RawURLEncoding.EncodeToString(sub.P256dh), "auth": base64.RawURLEncoding.EncodeToString(sub.Auth),
		},
	})
	if err != nil {
		panic(err)
	}
	return text
}

// Messages are the accepted messages.
func (sub *Subscription) Messages() <-chan Message { return sub.arrived }

// Respond has the next request, and with further calls those after it, answered by a handler
// instead of being accepted. The request is checked nevertheless.
func (sub *Subscription) Respond(handlers ...http.HandlerFunc) {
	sub.mu.Lock()
	defer sub.mu.Unlock()
	sub.mu.handlers = append(sub.mu.handlers, handlers...)
}

// ExpectRefusals makes requests that are refused no error of the test.
func (sub *Subscription) ExpectRefusals() {
	sub.mu.Lock()
	defer sub.mu.Unlock()
	sub.mu.refuses = true
}

// Status is a handler that answers with a status, and a header for each pair of strings.
func Status(status int, header ...string) http.HandlerFunc {
	return func(w http.ResponseWriter, _ *http.Request) {
		for i := 0; i+1 < len(header); i += 2 {
			w.Header().Set(header[i], header[i+1])
		}
		w.WriteHeader(status)
	}
}

// ServeHTTP implements http.Handler.
func (s *Service) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	s.mu.Lock()
	sub, known := s.mu.subscriptions[r.URL.Path]
	s.mu.Unlock()
	body, err := io.ReadAll(io.LimitReader(r.Body, 1<<20))
	switch {
	case err != nil:
		http.Error(w, err.Error(), http.StatusBadRequest)
		return
	case !known:
		http.Error(w, "unknown subscription", http.StatusNotFound)
		return
	case sub == nil:
		http.Error(w, "the subscription has ended", http.StatusGone)
		return
	}
	m, status, err := s.check(sub, r, body)
	if err != nil {
		s.refuse(sub, w, status, err)
		return
	}
	if handler := sub.next(); handler != nil {
		handler(w, r)
		return
	}
	sub.arrived <- m
	w.Header().Set("Location", s.URL+"/message/"+rand.Text())
	w.WriteHeader(http.StatusCreated)
}

func (s *Service) refuse(sub *Subscription, w http.ResponseWriter, status int, err error) {
	sub.mu.Lock()
	defer sub.mu.Unlock()
	if !sub.mu.refuses {
		s.t.Errorf("a push service refuses this request with %d: %v", status, err)
	}
	http.Error(w, err.Error(), status)
}

func (sub *Subscription) next() (handler http.HandlerFunc) {
	sub.mu.Lock()
	defer sub.mu.Unlock()
	if len(sub.mu.handlers) > 0 {
		handler, sub.mu.handlers = sub.mu.handlers[0], sub.mu.handlers[1:]
	}
	return handler
}

// check checks a request, and returns the message, or the status with which it is refused.
func (s *Service) check(sub *Subscription, r *http.Request, body []byte) (m Message, status int, err error) {
	m = Message{Size: len(body), ContentType: r.Header.Get("Content-Type"), Proto: r.Proto}
	if err := m.header(r.Method, r.Header); err != nil {
		return m, http.StatusBadRequest, err
	}
	if len(body) > maxBody {
		return m, http.StatusRequestEntityTooLarge, fmt.Errorf("the body has %d bytes", len(body))
	}
	if err := m.identify(r.Header.Get("Authorization"), s.URL); err != nil {
		return m, http.StatusUnauthorized, err
	}
	if sub.vapid != "" && m.Key != sub.vapid {
		return m, http.StatusForbidden, fmt.Errorf("the key %s is not that of the subscription, %s", m.Key, sub.vapid)
	}
	m.Text, m.Padding, err = Decrypt(body, sub.private, sub.Auth)
	return m, http.StatusBadRequest, err
}
