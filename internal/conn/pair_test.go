package conn

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"math/big"
	"net"
	"os"
	"sync"
	"testing"
	"time"
)

// pairFunc makes the two sides of a connection; the second is the client's.
type pairFunc func(t testing.TB) (server, client net.Conn)

func pipePair(testing.TB) (server, client net.Conn) { return net.Pipe() }

func tcpPair(t testing.TB) (server, client net.Conn) {
	t.Helper()
	return socketPair(t, "tcp", "127.0.0.1:0")
}

func unixPair(t testing.TB) (server, client net.Conn) {
	t.Helper()
	dir, err := os.MkdirTemp("", "w") // t.TempDir may be too long for a socket
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.RemoveAll(dir) })
	return socketPair(t, "unix", dir+"/s")
}

func socketPair(t testing.TB, network, address string) (server, client net.Conn) {
	t.Helper()
	ln, err := net.Listen(network, address)
	if err != nil {
		t.Fatal(err)
	}
	defer ln.Close()
	if client, err = net.Dial(network, ln.Addr().String()); err != nil {
		t.Fatal(err)
	}
	if server, err = ln.Accept(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { client.Close() })
	return server, client
}

func tlsPair(t testing.TB) (server, client net.Conn) {
	t.Helper()
	s, c := tcpPair(t)
	client = tls.Client(c, &tls.Config{InsecureSkipVerify: true})
	server = tls.Server(s, &tls.Config{Certificates: []tls.Certificate{certificate()}})
	failed := make(chan error, 1)
	go func() { failed <- server.(*tls.Conn).Handshake() }()
	if err := client.(*tls.Conn).Handshake(); err != nil {
		t.Fatal(err)
	}
	if err := <-failed; err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { client.Close() })
	return server, client
}

var certificate = sync.OnceValue(func() tls.Certificate {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		panic(err)
	}
	template := &x509.Certificate{SerialNumber: big.NewInt(1), NotAfter: time.Now().Add(time.Hour)}
	der, err := x509.CreateCertificate(rand.Reader, template, template, key.Public(), key)
	if err != nil {
		panic(err)
	}
	return tls.Certificate{Certificate: [][]byte{der}, PrivateKey: key}
})
