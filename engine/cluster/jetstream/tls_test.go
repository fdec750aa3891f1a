package jetstream_test

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"fmt"
	"log/slog"
	"math/big"
	"net"
	"strings"
	"testing"
	"time"

	"github.com/nats-io/nats-server/v2/server"

	"github.com/wirepost/wirepost/engine/cluster/jetstream"
	"github.com/wirepost/wirepost/internal/testlog"
)

// certificates returns the configuration of a server on 127.0.0.1 with an authority of its
// own, which it trusts.
func certificates(t *testing.T) *tls.Config {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "test"}, IsCA: true, BasicConstraintsValid: true,
		NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour), IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)},
		KeyUsage:    x509.KeyUsageDigitalSignature | x509.KeyUsageCertSign,
		ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth, x509.ExtKeyUsageClientAuth},
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, key.Public(), key)
	if err != nil {
		t.Fatal(err)
	}
	certificate, err := x509.ParseCertificate(der)
	if err != nil {
		t.Fatal(err)
	}
	roots := x509.NewCertPool()
	roots.AddCert(certificate)
	return &tls.Config{
		Certificates: []tls.Certificate{{Certificate: [][]byte{der}, PrivateKey: key}}, RootCAs: roots, MinVersion: tls.VersionTLS12,
	}
}

// TestCertificates: servers with certificates of one authority join each other, one with
// those of another does not.
func TestCertificates(t *testing.T) {
	t.Parallel()
	routes, err := freeRoutes(3)
	if err != nil {
		t.Fatal(err)
	}
	one, other := certificates(t), certificates(t)
	said := testlog.NewLines("certificate")
	start := func(i int, own *tls.Config) *jetstream.Server {
		o := jetstream.ServerOptions{
			Name: string(rune('a' + i)), Group: "test", Dir: t.TempDir(), Host: "127.0.0.1", Peers: routes,
			Secret: testSecret, TLS: own, Logger: said.Logger(slog.LevelDebug),
		}
		fmt.Sscan(routes[i].Port(), &o.Port)
		s, err := jetstream.StartServer(o)
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(s.Kill)
		return s
	}
	a, b := start(0, one), start(1, one)
	for _, s := range []*jetstream.Server{a, b} {
		for end := time.Now().Add(patience); s.Waiting() != "2 of 3 servers are connected: [a b]"; time.Sleep(10 * time.Millisecond) {
			if time.Now().After(end) {
				t.Fatalf("it says %q", s.Waiting())
			}
		}
	}
	c := start(2, other)
	said.Await(t)
	if waiting := c.Waiting(); !strings.HasPrefix(waiting, "1 of 3 servers are connected: [c]") {
		t.Errorf("with another authority: %s", waiting)
	}
}

// TestExternalTLS connects to servers with a password over TLS.
func TestExternalTLS(t *testing.T) {
	t.Parallel()
	own := certificates(t)
	s := startNATS(t, func(o *server.Options) {
		o.TLSConfig, o.TLS, o.TLSTimeout = own, true, 10
		o.Username, o.Password = "wirepost", "secret"
	})
	address := strings.Replace(s.ClientURL(), "://", "://wirepost:secret@", 1)
	nc, err := jetstream.Connect(t.Context(), jetstream.ConnectOptions{
		URLs: []string{address}, TLS: &tls.Config{RootCAs: own.RootCAs, MinVersion: tls.VersionTLS12}, Logger: quiet,
	})
	if err != nil {
		t.Fatal(err)
	}
	defer nc.Close()
	l, err := jetstream.Open(t.Context(), nc, jetstream.Options{Name: "test", Shards: 1, Replicas: 1, Logger: quiet})
	if err != nil {
		t.Fatal(err)
	}
	if err := l.Propose(t.Context(), 0, []byte("x")); err != nil {
		t.Error(err)
	}
}
