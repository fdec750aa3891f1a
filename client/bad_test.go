package client_test

import (
	"errors"
	"net/http"
	"testing"

	"github.com/wirepost/wirepost/client"
)

// A push without a channel fails without a request.
func TestPushWithoutChannel(t *testing.T) {
	t.Parallel()
	b, err := client.NewBackend("http://127.0.0.1:1", client.BackendOptions{HTTP: &http.Client{Transport: refusing{t}}})
	if err != nil {
		t.Fatal(err)
	}
	_, one := b.Push(t.Context(), client.Push{Data: []byte("1")})
	_, none := b.PushTo(t.Context(), client.Push{Data: []byte("1")})
	_, empty := b.PushTo(t.Context(), client.Push{Data: []byte("1")}, "room", "")
	s := b.Stream(t.Context())
	_, line := s.Push(t.Context(), client.Push{Data: []byte("1")})
	for name, err := range map[string]error{"Push": one, "PushTo": none, "PushTo empty": empty, "Stream": line} {
		if !errors.Is(err, client.ErrBadRequest) {
			t.Errorf("%s: %v", name, err)
		}
	}
	if err := s.Close(); err != nil {
		t.Error(err)
	}
}

// refusing fails the test when a request is made.
type refusing struct{ t *testing.T }

func (r refusing) RoundTrip(*http.Request) (*http.Response, error) {
	r.t.Error("a request was made")
	return nil, errors.New("no network")
}
