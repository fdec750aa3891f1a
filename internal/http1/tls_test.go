package http1

import (
	"crypto/tls"
	"errors"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"testing"
	"time"
)

// tlsServer is an http.Server with TLS and HTTP/2 above the connections.
func tlsServer(t *testing.T, handler http.HandlerFunc) (*httptest.Server, *Server) {
	t.Helper()
	hs := httptest.NewUnstartedServer(handler)
	pushes := NewServer(Options{
		Serves:  func(string, []byte) bool { return true },
		Handler: handler, HeadTimeout: patience, IdleTimeout: patience, TLS: true,
	})
	hs.Listener, hs.Config.ConnState, hs.EnableHTTP2 = pushes.Listener(hs.Listener), pushes.ConnState, true
	hs.StartTLS()
	t.Cleanup(hs.Close)
	return hs, pushes
}

// dialTLS opens a connection and does the handshake.
func dialTLS(t *testing.T, hs *httptest.Server, protocol string) net.Conn {
	t.Helper()
	config := hs.Client().Transport.(*http.Transport).TLSClientConfig.Clone()
	config.NextProtos = []string{protocol}
	c, err := tls.Dial("tcp", hs.Listener.Addr().String(), config)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { c.Close() })
	c.SetDeadline(time.Now().Add(patience)) //nolint:errcheck // the next call says so
	return c
}

// TestShutdownTLS: connections that never had a request are closed at once, with and without
// a handshake; those with a request are left to net/http.
func TestShutdownTLS(t *testing.T) {
	t.Parallel()
	serving, release := make(chan struct{}), make(chan struct{})
	hs, pushes := tlsServer(t, func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/slow" {
			serving <- struct{}{}
			<-release
		}
	})
	silent, err := net.Dial("tcp", hs.Listener.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	defer silent.Close()
	silent.SetDeadline(time.Now().Add(patience)) //nolint:errcheck // the next call says so
	quiet := map[string]net.Conn{"silent": silent, "HTTP/1.1": dialTLS(t, hs, "http/1.1"), "HTTP/2": dialTLS(t, hs, "h2")}
	busy := make(chan error)
	for _, http2 := range []bool{false, true} {
		go func() { busy <- get(hs, http2, "/slow") }()
		select {
		case <-serving:
		case err := <-busy:
			t.Fatalf("a request, HTTP/2 %v: %v", http2, err)
		}
	}
	if err := pushes.Shutdown(t.Context()); err != nil {
		t.Error(err)
	}
	for name, c := range quiet {
		if _, err := io.Copy(io.Discard, c); errors.Is(err, os.ErrDeadlineExceeded) {
			t.Errorf("%s: the connection is open", name)
		}
	}
	close(release)
	for range 2 {
		if err := <-busy; err != nil {
			t.Errorf("a request that was being served: %v", err)
		}
	}
}

// get makes a request over a connection of its own.
func get(hs *httptest.Server, http2 bool, path string) error {
	transport := hs.Client().Transport.(*http.Transport).Clone()
	defer transport.CloseIdleConnections()
	transport.TLSClientConfig.NextProtos = nil // the transport sets them
	transport.Protocols = new(http.Protocols)
	transport.Protocols.SetHTTP1(!http2)
	transport.Protocols.SetHTTP2(http2)
	response, err := (&http.Client{Transport: transport}).Get(hs.URL + path)
	if err != nil {
		return err
	}
	if response.Body.Close(); response.ProtoAtLeast(2, 0) != http2 {
		return errors.New(response.Proto)
	}
	return nil
}
