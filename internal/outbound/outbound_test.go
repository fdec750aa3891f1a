package outbound_test

import (
	"io"
	"net/http"
	"net/http/httptest"
	"testing"

	"github.com/wirepost/wirepost/internal/outbound"
)

// TestRedirect: the redirect itself is the response.
func TestRedirect(t *testing.T) {
	t.Parallel()
	hs := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path != "/" {
			t.Errorf("a request to %s", r.URL)
		}
		http.Redirect(w, r, "/elsewhere", http.StatusTemporaryRedirect)
	}))
	t.Cleanup(hs.Close)
	response, err := get(t, hs.URL)
	if err != nil {
		t.Fatal(err)
	}
	defer response.Body.Close()
	if response.StatusCode != http.StatusTemporaryRedirect {
		t.Error(response.Status)
	}
}

// TestSwitched: a server that switches protocols unasked gets its connection closed. Its
// response could be read for as long as the server likes.
func TestSwitched(t *testing.T) {
	t.Parallel()
	closed := make(chan error, 1)
	hs := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		conn, _, err := http.NewResponseController(w).Hijack()
		if err != nil {
			closed <- err
			return
		}
		defer conn.Close()
		io.WriteString(conn, "HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: x\r\n\r\n") //nolint:errcheck // the client fails
		_, err = conn.Read(make([]byte, 1))
		closed <- err
	}))
	t.Cleanup(hs.Close)
	if response, err := get(t, hs.URL); err == nil {
		response.Body.Close()
		t.Error(response.Status)
	}
	if err := <-closed; err == nil {
		t.Error("the connection is open")
	}
}

func get(t *testing.T, url string) (*http.Response, error) {
	t.Helper()
	transport := new(http.Transport)
	t.Cleanup(transport.CloseIdleConnections)
	request, err := http.NewRequestWithContext(t.Context(), http.MethodGet, url, nil)
	if err != nil {
		t.Fatal(err)
	}
	return outbound.New(transport, 0).Do(request)
}
