package main

import (
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"os"
	"os/exec"
	"time"

	"github.com/wirepost/wirepost/bench/crowd"
	"github.com/wirepost/wirepost/bench/peer"
	"github.com/wirepost/wirepost/bench/proc"
)

// target is a server that runs for one turn.
type target struct {
	*proc.Child
	name     string
	profiles *profiling
	dialect  crowd.Dialect
	data     string       // its directory, removed at the end
	clients  int          // how many have been connected
	log      *postgresLog // of its cluster, if it is the first node; nil: it needs no server
}

// patience limits how long messages may take.
const patience = 30 * time.Second

// launch starts a server. The caller must stop it.
func launch(s *settings, name string) (*target, error) {
	dialect, err := peer.DialectOf(name)
	if err != nil {
		return nil, err
	}
	cmd, err := command(name)
	if err != nil {
		return nil, err
	}
	return start(s, name, cmd, dialect)
}

func command(name string) (*exec.Cmd, error) {
	if name == "socketio" {
		return socketIO()
	}
	self, err := os.Executable()
	if err != nil {
		return nil, err
	}
	return exec.Command(self, "-serve", name), nil
}

func start(s *settings, name string, cmd *exec.Cmd, dialect crowd.Dialect) (*target, error) {
	data, err := os.MkdirTemp(s.dir, "wirepost-bench-")
	if err != nil {
		return nil, err
	}
	cmd.Env = append(os.Environ(), peer.DataVariable+"="+data, "WIREPOST_DATA="+data)
	child, err := proc.Start(cmd)
	if err != nil {
		os.RemoveAll(data)
		return nil, err
	}
	return &target{Child: child, name: name, profiles: s.profiles, dialect: dialect, data: data}, nil
}

func (t *target) stop() {
	t.Stop()
	os.RemoveAll(t.data)
}

// crowd connects n more clients, of which the first slow ones never read, and
// returns when the server has registered all of them.
func (t *target) crowd(sessions, deaf int) (*crowd.Crowd, error) {
	c, err := crowd.Open(crowd.Config{
		Address: t.Address, Dialect: t.dialect, First: t.clients, Sessions: sessions, Slow: deaf,
	})
	if err != nil {
		return nil, fmt.Errorf("%w; the server logged %q", err, t.Stderr())
	}
	t.clients += sessions
	if err := t.waitOnline(t.clients); err != nil {
		c.Close()
		return nil, err
	}
	return c, nil
}

// ask sends a control request to the server.
func (t *target) ask(method, path string, answer any) error {
	r, err := http.NewRequest(method, "http://"+t.Control+path, nil)
	if err != nil {
		return err
	}
	response, err := http.DefaultClient.Do(r)
	if err != nil {
		return fmt.Errorf("%w; the server logged %q", err, t.Stderr())
	}
	defer response.Body.Close()
	body, err := io.ReadAll(response.Body)
	if err != nil {
		return err
	}
	if response.StatusCode != http.StatusOK {
		return fmt.Errorf("%s: %s: %s", path, response.Status, body)
	}
	if answer == nil {
		return nil
	}
	return json.Unmarshal(body, answer)
}

func (t *target) publish(size, times int) error {
	return t.ask("POST", fmt.Sprintf("/debug/publish?size=%d&times=%d", size, times), nil)
}

func (t *target) footprint() (f peer.Footprint, err error) {
	err = t.ask("GET", "/debug/mem", &f)
	return f, err
}

// waitOnline returns when the server counts n clients: a server may upgrade a
// connection before it registers it, and the floor does not upgrade at all.
func (t *target) waitOnline(clients int) error {
	if t.Control == "" {
		return nil // it has only the client protocol, and registers a client before it responds
	}
	deadline := time.Now().Add(patience)
	for {
		online, err := t.online()
		if err != nil || online == clients {
			return err
		}
		if time.Now().After(deadline) {
			return fmt.Errorf("%d clients are online, not %d", online, clients)
		}
		time.Sleep(time.Millisecond)
	}
}

// online returns the number of clients that the server counts. A client that never
// reads does not learn that it was dropped, because the close is queued after unread
// data.
func (t *target) online() (n int, err error) {
	err = t.ask("GET", "/debug/online", &n)
	return n, err
}

// settle returns when the server is idle, or after some seconds.
func (t *target) settle() error {
	const quiet = 20 * time.Millisecond
	last, err := t.CPU()
	for range 20 {
		time.Sleep(250 * time.Millisecond)
		now, e := t.CPU()
		if err != nil || e != nil || now-last < quiet {
			return e
		}
		last = now
	}
	return err
}
