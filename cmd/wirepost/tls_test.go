package main

import (
	"bytes"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"encoding/pem"
	"log/slog"
	"math/big"
	"net"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"
)

// writePair writes a certificate for 127.0.0.1 with its own serial number, and its
// key; an empty name skips that file.
func writePair(t *testing.T, dir string, serial int64, names ...string) {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{
		SerialNumber: big.NewInt(serial), NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour),
		IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)}, IsCA: true, BasicConstraintsValid: true,
	}
	certificate, err := x509.CreateCertificate(rand.Reader, template, template, &key.PublicKey, key)
	if err != nil {
		t.Fatal(err)
	}
	private, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range names {
		block := &pem.Block{Type: "CERTIFICATE", Bytes: certificate}
		if name == "key.pem" {
			block = &pem.Block{Type: "PRIVATE KEY", Bytes: private}
		}
		// Renamed into place, so that the file is a different one even where times
		// are coarse.
		path := filepath.Join(dir, name)
		if err := os.WriteFile(path+".new", pem.EncodeToMemory(block), 0o600); err != nil {
			t.Fatal(err)
		}
		if err := os.Rename(path+".new", path); err != nil {
			t.Fatal(err)
		}
	}
}

// TestCertificateChanges goes through renewals, including half a renewal, invalid
// files and missing files.
func TestCertificateChanges(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	writePair(t, dir, 1, "cert.pem", "key.pem")
	var log bytes.Buffer
	k, err := newKeyPair(filepath.Join(dir, "cert.pem"), filepath.Join(dir, "key.pem"), slog.New(slog.NewTextHandler(&log, nil)))
	if err != nil {
		t.Fatal(err)
	}
	now := time.Now()
	check := func(when string, serial int64, errors, reads int) {
		t.Helper()
		for range 3 { // it is told once
			now = now.Add(2 * lookAgain)
			k.look(now)
		}
		got := k.current.Load().Leaf.SerialNumber.Int64()
		if e, r := strings.Count(log.String(), "level=ERROR"), strings.Count(log.String(), "certificate reloaded"); got != serial || e != errors || r != reads {
			t.Errorf("%s: certificate %d, %d errors, read %d times; want %d, %d, %d\n%s", when, got, e, r, serial, errors, reads, log.String())
		}
	}
	check("unchanged", 1, 0, 0)
	writePair(t, dir, 2, "cert.pem", "key.pem")
	k.look(now) // too soon
	if got := k.current.Load().Leaf.SerialNumber.Int64(); got != 1 {
		t.Errorf("the files were read again within a second: %d", got)
	}
	check("renewed", 2, 0, 1)
	writePair(t, dir, 3, "cert.pem")
	check("half renewed", 2, 1, 1)
	writePair(t, dir, 4, "cert.pem", "key.pem")
	check("renewed whole", 4, 1, 2)
	if err := os.WriteFile(filepath.Join(dir, "cert.pem"), []byte("nonsense"), 0o600); err != nil {
		t.Fatal(err)
	}
	check("nonsense", 4, 2, 2)
	if err := os.Remove(filepath.Join(dir, "cert.pem")); err != nil {
		t.Fatal(err)
	}
	check("gone", 4, 3, 2)
	writePair(t, dir, 5, "cert.pem", "key.pem")
	check("there again", 5, 3, 3)

	var all sync.WaitGroup // for the race detector
	for range 4 {
		all.Go(func() { k.get(nil) }) //nolint:errcheck // it never fails
	}
	all.Wait()
}

// TestServesNewCertificate renews a certificate while the server runs.
func TestServesNewCertificate(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	writePair(t, dir, 1, "cert.pem", "key.pem")
	address := closedApp(t, func(c *Config) {
		c.TLSCert, c.TLSKey = filepath.Join(dir, "cert.pem"), filepath.Join(dir, "key.pem")
	})
	serial := func(version uint16) int64 {
		c, err := tls.Dial("tcp", strings.TrimPrefix(address, "https://"), &tls.Config{
			InsecureSkipVerify: true, MaxVersion: version, MinVersion: tls.VersionTLS10, //nolint:gosec // that is what is tried
		})
		if err != nil {
			return 0
		}
		defer c.Close()
		return c.ConnectionState().PeerCertificates[0].SerialNumber.Int64()
	}
	if got := serial(tls.VersionTLS13); got != 1 {
		t.Errorf("at first: %d", got)
	}
	if got := serial(tls.VersionTLS11); got != 0 {
		t.Error("TLS 1.1 is spoken")
	}
	writePair(t, dir, 2, "cert.pem", "key.pem")
	for end := time.Now().Add(patience); serial(tls.VersionTLS12) != 2; {
		if time.Now().After(end) {
			t.Fatal("the new certificate is not there")
		}
	}
}
