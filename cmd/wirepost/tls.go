package main

import (
	"context"
	"crypto/tls"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"golang.org/x/crypto/acme"
	"golang.org/x/crypto/acme/autocert"
)

// front are the network settings of serve. dev has none: it listens on loopback.
type front struct {
	TLSCert       string    `name:"tls-cert" placeholder:"FILE" help:"Certificate chain (PEM), for https and wss; reloaded when it changes."`
	TLSKey        string    `name:"tls-key" placeholder:"FILE" help:"Its private key (PEM)."`
	ACMEDomain    []domain  `name:"acme-domain" placeholder:"NAME" help:"Obtain a certificate for this name by ACME, on port 443; repeatable."`
	ACMEDirectory string    `name:"acme-directory" default:"https://acme-v02.api.letsencrypt.org/directory" placeholder:"URL" help:"Directory URL of the certificate authority (default ${default})."`
	TrustedProxy  []network `placeholder:"CIDR" help:"Network of proxies whose X-Forwarded-For is trusted, or unix for proxies on the Unix socket; repeatable."`
}

func (f *front) check() error {
	switch {
	case (f.TLSCert == "") != (f.TLSKey == ""):
		return usagef("--tls-cert and --tls-key must be set together")
	case f.TLSCert != "" && len(f.ACMEDomain) > 0:
		return usagef("--tls-cert and --acme-domain cannot be combined")
	}
	return nil
}

// encrypted reports whether the listener uses TLS.
func (f *front) encrypted() bool { return f.TLSCert != "" || len(f.ACMEDomain) > 0 }

// domain is a host name of a certificate.
type domain string

func (d *domain) UnmarshalText(text []byte) error {
	name := strings.ToLower(string(text))
	if name == "" || strings.ContainsAny(name, "*/: \t") || !strings.Contains(name, ".") || net.ParseIP(name) != nil {
		return fmt.Errorf("%q is not a host name such as push.example.com", text)
	}
	*d = domain(name)
	return nil
}

// tlsConfig returns the TLS configuration of the listener, or nil.
func (f *front) tlsConfig(data string, client *http.Client, log *slog.Logger, again *reloads) (*tls.Config, error) {
	switch {
	case f.TLSCert != "":
		files, err := newKeyPair(f.TLSCert, f.TLSKey, log)
		if err != nil {
			return nil, err
		}
		again.add("tls-cert", files.reload)
		return &tls.Config{GetCertificate: files.get, MinVersion: tls.VersionTLS12}, nil
	case len(f.ACMEDomain) > 0:
		manager := &autocert.Manager{
			Prompt:     autocert.AcceptTOS,
			HostPolicy: autocert.HostWhitelist(texts(f.ACMEDomain)...),
			Cache:      autocert.DirCache(filepath.Join(data, "acme")),
			Client:     &acme.Client{DirectoryURL: f.ACMEDirectory, HTTPClient: client},
		}
		config := manager.TLSConfig()
		config.MinVersion = tls.VersionTLS12
		return config, nil
	}
	return nil, nil
}

// lookAgain is the minimum interval between checks of the certificate's files, which
// handshakes trigger.
const lookAgain = time.Second

// keyPair is a certificate and key in two files, which are reloaded when they
// change.
type keyPair struct {
	certFile, keyFile string
	log               *slog.Logger
	current           atomic.Pointer[tls.Certificate]

	looking sync.Mutex // held during a check; other handshakes use the current certificate
	looked  time.Time
	seen    [2]os.FileInfo // the files loaded last, successfully or not
}

func newKeyPair(certFile, keyFile string, log *slog.Logger) (*keyPair, error) {
	k := &keyPair{certFile: certFile, keyFile: keyFile, log: log, looked: time.Now()}
	k.seen = k.stat() // before loading: later changes are noticed
	if err := k.load(); err != nil {
		return nil, fmt.Errorf("tls-cert and tls-key: %w", err)
	}
	return k, nil
}

// get is tls.Config.GetCertificate.
func (k *keyPair) get(*tls.ClientHelloInfo) (*tls.Certificate, error) {
	k.look(time.Now())
	return k.current.Load(), nil
}

// look reloads the files if they have changed. If they do not match, as between the
// two writes of a renewal, the previous pair stays in use until they change again.
func (k *keyPair) look(now time.Time) {
	if !k.looking.TryLock() {
		return
	}
	defer k.looking.Unlock()
	if now.Sub(k.looked) < lookAgain {
		return
	}
	k.looked = now
	seen := k.stat()
	if same(seen[0], k.seen[0]) && same(seen[1], k.seen[1]) {
		return
	}
	k.seen = seen
	if err := k.load(); err != nil {
		k.log.Error("cannot load the new certificate, keeping the previous one", "error", err)
		return
	}
	k.log.Info("certificate reloaded", "expires", k.current.Load().Leaf.NotAfter)
}

// reload loads the files unconditionally.
func (k *keyPair) reload(context.Context) error {
	k.looking.Lock()
	defer k.looking.Unlock()
	k.looked, k.seen = time.Now(), k.stat()
	return k.load()
}

// stat returns the state of the files; nil stands for a missing one.
func (k *keyPair) stat() (seen [2]os.FileInfo) {
	for i, name := range []string{k.certFile, k.keyFile} {
		if info, err := os.Stat(name); err == nil {
			seen[i] = info
		}
	}
	return seen
}

func same(a, b os.FileInfo) bool {
	if a == nil || b == nil {
		return a == nil && b == nil
	}
	return os.SameFile(a, b) && a.ModTime().Equal(b.ModTime()) && a.Size() == b.Size()
}

func (k *keyPair) load() error {
	pair, err := tls.LoadX509KeyPair(k.certFile, k.keyFile)
	if err == nil {
		k.current.Store(&pair)
	}
	return err
}
