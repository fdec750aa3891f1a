package client_test

import (
	"errors"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/wirepost/wirepost/client"
)

// TestInvalidBackend: the error of an invalid argument names it, its value and what is
// wrong with it.
func TestInvalidBackend(t *testing.T) {
	t.Parallel()
	const good = "http://localhost:8080"
	for _, tt := range []struct {
		server string
		o      client.BackendOptions
		says   []string
	}{
		{"", client.BackendOptions{}, []string{`server ""`, "scheme is not http", "https://"}},
		{"localhost:8080", client.BackendOptions{}, []string{`"localhost:8080"`, "scheme is not http"}},
		{"127.0.0.1:8080", client.BackendOptions{}, []string{"server", "127.0.0.1:8080"}},
		{"ftp://localhost", client.BackendOptions{}, []string{`"ftp://localhost"`, "unix"}},
		{"http://", client.BackendOptions{}, []string{`"http:"`, "no host"}},
		{"unix:", client.BackendOptions{}, []string{`"unix:"`, "no path of a socket"}},
		{good + "?a=1", client.BackendOptions{}, []string{good + "?a=1", "query"}},
		{good + "#a", client.BackendOptions{}, []string{good + "#a", "fragment"}},
		{"http://me:secret@localhost", client.BackendOptions{}, []string{"me:xxxxx@localhost", "a user in the URL"}},
		{"http://localhost:99999", client.BackendOptions{}, []string{"localhost:99999", "port"}},
		{good, client.BackendOptions{Attempts: -1}, []string{"BackendOptions.Attempts is -1"}},
		{good, client.BackendOptions{Timeout: -1}, []string{"BackendOptions.Timeout is -1ns"}},
		{good, client.BackendOptions{MinWait: 2 * time.Second, MaxWait: time.Second}, []string{"MinWait is 2s", "MaxWait, 1s"}},
		{good, client.BackendOptions{Key: "a\nb"}, []string{"BackendOptions.Key"}},
		{"unix:/run/w.sock", client.BackendOptions{HTTP: http.DefaultClient}, []string{"BackendOptions.HTTP"}},
	} {
		_, err := client.NewBackend(tt.server, tt.o)
		if err == nil {
			t.Errorf("%q %+v: no error", tt.server, tt.o)
			continue
		}
		for _, text := range append(tt.says, "client: ") {
			if !strings.Contains(err.Error(), text) || strings.Contains(err.Error(), "secret") {
				t.Errorf("%q %+v: %q, want %q in it", tt.server, tt.o, err, text)
			}
		}
	}
	for _, server := range []string{good, good + "/prefix/", "https://push.example.com", "unix:/run/w.sock", "unix:///run/w.sock"} {
		if _, err := client.NewBackend(server, client.BackendOptions{}); err != nil {
			t.Errorf("%q: %v", server, err)
		}
	}
}

func TestInvalidDial(t *testing.T) {
	t.Parallel()
	const good = "ws://localhost/ws"
	for _, tt := range []struct {
		url  string
		o    client.Options
		says string
	}{
		{"unix:", client.Options{}, "no path of a socket"},
		{good, client.Options{MinWait: -time.Second}, "Options.MinWait is -1s"},
		{good, client.Options{MinWait: time.Minute, MaxWait: time.Second}, "Options.MinWait is 1m0s"},
		{good, client.Options{MaxMessage: -1}, "Options.MaxMessage is -1"},
	} {
		if _, err := client.Dial(t.Context(), tt.url, tt.o); err == nil || !strings.Contains(err.Error(), tt.says) {
			t.Errorf("%s %+v: %v, want %q", tt.url, tt.o, err, tt.says)
		}
	}
}

func TestEmptyNames(t *testing.T) {
	t.Parallel()
	b, err := client.NewBackend("http://localhost", client.BackendOptions{})
	if err != nil {
		t.Fatal(err)
	}
	_, user := b.User(t.Context(), "")
	_, channel := b.Channel(t.Context(), "")
	_, join := b.Join(t.Context(), "42", "")
	for want, err := range map[string]error{"the name of the user is empty": user, "the name of the channel is empty": channel, "name of the channel is empty": join} {
		if !errors.Is(err, client.ErrBadRequest) || !strings.Contains(err.Error(), want) {
			t.Errorf("%v, want %q", err, want)
		}
	}
}
