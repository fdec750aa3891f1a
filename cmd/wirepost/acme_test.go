package main

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/asn1"
	"encoding/base64"
	"encoding/json"
	"encoding/pem"
	"fmt"
	"math/big"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"
)

// authority is an in-memory certificate authority: as much of RFC 8555 as one client
// needs, without signatures. Like a real one it verifies a name by a TLS connection
// to the server (RFC 8737), at an address set by the test.
type authority struct {
	t      *testing.T
	url    string
	key    *ecdsa.PrivateKey
	root   *x509.Certificate
	server string // where the names are

	mu     sync.Mutex
	name   string
	proven bool
	chain  []byte // of the last order
	issued int
}

func newAuthority(t *testing.T) *authority {
	t.Helper()
	a := &authority{t: t}
	var err error
	if a.key, err = ecdsa.GenerateKey(elliptic.P256(), rand.Reader); err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "an authority for tests"},
		NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(365 * 24 * time.Hour),
		IsCA: true, BasicConstraintsValid: true, KeyUsage: x509.KeyUsageCertSign,
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, &a.key.PublicKey, a.key)
	if err != nil {
		t.Fatal(err)
	}
	if a.root, err = x509.ParseCertificate(der); err != nil {
		t.Fatal(err)
	}
	hs := httptest.NewServer(a)
	t.Cleanup(hs.Close)
	a.url = hs.URL
	return a
}

// ServeHTTP implements http.Handler.
func (a *authority) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	a.mu.Lock()
	defer a.mu.Unlock()
	w.Header().Set("Replay-Nonce", fmt.Sprint(time.Now().UnixNano()))
	w.Header().Set("Content-Type", "application/json")
	var signed struct{ Payload string }
	json.NewDecoder(r.Body).Decode(&signed) //nolint:errcheck // a GET has none
	payload, _ := base64.RawURLEncoding.DecodeString(signed.Payload)
	answer := func(location string, status int, v any) {
		if location != "" {
			w.Header().Set("Location", a.url+location)
		}
		w.WriteHeader(status)
		json.NewEncoder(w).Encode(v) //nolint:errcheck // the client would complain
	}
	switch r.URL.Path {
	case "/directory":
		answer("", 200, map[string]string{"newNonce": a.url + "/nonce", "newAccount": a.url + "/account", "newOrder": a.url + "/new-order"})
	case "/nonce":
	case "/account":
		answer("/account", 201, map[string]string{"status": "valid"})
	case "/new-order":
		var order struct{ Identifiers []struct{ Value string } }
		if err := json.Unmarshal(payload, &order); err != nil || len(order.Identifiers) != 1 {
			a.t.Errorf("an order for %s", payload)
			return
		}
		a.name, a.proven, a.chain = order.Identifiers[0].Value, false, nil
		answer("/order", 201, a.order())
	case "/order":
		answer("/order", 200, a.order())
	case "/authorization":
		answer("", 200, a.authorization())
	case "/challenge":
		a.prove()
		answer("", 200, a.challenge())
	case "/finalize":
		var request struct{ CSR string }
		if err := json.Unmarshal(payload, &request); err != nil || !a.proven {
			a.t.Errorf("a certificate for %s, proven: %t", payload, a.proven)
			return
		}
		a.issue(request.CSR)
		answer("/order", 200, a.order())
	case "/certificate":
		w.Header().Set("Content-Type", "application/pem-certificate-chain")
		w.Write(a.chain) //nolint:errcheck // the client would complain
	default:
		a.t.Errorf("%s %s", r.Method, r.URL)
		http.NotFound(w, r)
	}
}

func (a *authority) status(before string) string {
	if a.proven {
		return "valid"
	}
	return before
}

func (a *authority) order() any {
	o := map[string]any{
		"status": "pending", "identifiers": []any{map[string]string{"type": "dns", "value": a.name}},
		"authorizations": []string{a.url + "/authorization"}, "finalize": a.url + "/finalize",
	}
	if a.proven {
		o["status"] = "ready"
	}
	if a.chain != nil {
		o["status"], o["certificate"] = "valid", a.url+"/certificate"
	}
	return o
}

func (a *authority) authorization() any {
	return map[string]any{
		"status": a.status("pending"), "identifier": map[string]string{"type": "dns", "value": a.name}, "challenges": []any{a.challenge()},
	}
}

func (a *authority) challenge() any {
	return map[string]string{"type": "tls-alpn-01", "url": a.url + "/challenge", "token": "a-token", "status": a.status("pending")}
}

// prove requests the certificate that proves the name.
func (a *authority) prove() {
	c, err := tls.Dial("tcp", a.server, &tls.Config{
		ServerName: a.name, NextProtos: []string{"acme-tls/1"}, InsecureSkipVerify: true, //nolint:gosec // RFC 8737 §3: it signs itself
	})
	if err != nil {
		a.t.Errorf("the authority cannot connect: %v", err)
		return
	}
	defer c.Close()
	got := c.ConnectionState()
	for _, e := range got.PeerCertificates[0].Extensions {
		if e.Id.Equal(asn1.ObjectIdentifier{1, 3, 6, 1, 5, 5, 7, 1, 31}) && got.NegotiatedProtocol == "acme-tls/1" {
			a.proven = got.PeerCertificates[0].VerifyHostname(a.name) == nil
		}
	}
}

func (a *authority) issue(csr string) {
	der, _ := base64.RawURLEncoding.DecodeString(csr)
	request, err := x509.ParseCertificateRequest(der)
	if err != nil {
		a.t.Error(err)
		return
	}
	a.issued++
	template := &x509.Certificate{
		SerialNumber: big.NewInt(int64(1 + a.issued)), DNSNames: request.DNSNames,
		NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(90 * 24 * time.Hour),
		KeyUsage: x509.KeyUsageDigitalSignature, ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth},
	}
	leaf, err := x509.CreateCertificate(rand.Reader, template, a.root, request.PublicKey, a.key)
	if err != nil {
		a.t.Error(err)
		return
	}
	for _, der := range [][]byte{leaf, a.root.Raw} {
		a.chain = append(a.chain, pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der})...)
	}
}

// TestACME obtains a certificate from an authority, and still has it after a
// restart.
func TestACME(t *testing.T) {
	t.Parallel()
	ca := newAuthority(t)
	data := t.TempDir()
	roots := x509.NewCertPool()
	roots.AddCert(ca.root)
	serve := func() (address string, stop func()) {
		app, address, done := testApp(t, t.Context(), func(c *Config) {
			c.Dev, c.Engine, c.Data = false, enginePebble, data
			c.APIKey, c.TokenSecret = []apiKey{frontKey}, []secret{testSecret}
			c.ACMEDomain, c.ACMEDirectory = []domain{"push.example.com"}, ca.url+"/directory"
		})
		return address, func() {
			app.listener.Close()
			<-done
		}
	}
	get := func(address, name string) error {
		transport := &http.Transport{TLSClientConfig: &tls.Config{RootCAs: roots, ServerName: name, MinVersion: tls.VersionTLS12}}
		defer transport.CloseIdleConnections()
		response, err := (&http.Client{Transport: transport}).Get(address + "/healthz")
		if err == nil {
			response.Body.Close()
		}
		return err
	}
	for range 2 {
		address, stop := serve()
		if !strings.HasPrefix(address, "https://") {
			t.Fatalf("it listens at %s", address)
		}
		ca.mu.Lock()
		ca.server = strings.TrimPrefix(address, "https://")
		ca.mu.Unlock()
		if err := get(address, "push.example.com"); err != nil {
			t.Error(err)
		}
		if err := get(address, "other.example.com"); err == nil {
			t.Error("it has a certificate for another name")
		}
		stop()
	}
	if ca.issued != 1 {
		t.Errorf("%d certificates were issued", ca.issued)
	}
}
