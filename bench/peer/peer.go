// Package peer contains the compared servers, each in its own file and written as
// its documentation recommends. Run runs one of them as a program.
package peer

import (
	"fmt"
	"maps"
	"net"
	"net/http"
	"slices"

	"github.com/wirepost/wirepost/bench/crowd"
)

// Server is a server under test.
type Server interface {
	// Serve accepts clients until the process exits.
	Serve(net.Listener) error
	// Publish sends a JSON value to every client, the given number of times.
	Publish(data []byte, times int) error
	// Online is the number of connected clients.
	Online() int
}

// Kind describes how to create a server and which dialect it uses.
type Kind struct {
	New     func() (Server, error)
	Dialect func() crowd.Dialect
}

func bare() crowd.Dialect { return crowd.Dialect{} }

var kinds = map[string]Kind{
	"tcp":             {newFloor, crowd.Bare},
	"wirepost":        {newWirepost, crowd.News},
	"wirepost-pebble": {newPebble, bare},
	Presence:          {newPresence, crowd.Presence},
	"gws":             {newGws, bare},
	"melody":          {newMelody, bare},
	"tutorial":        {newTutorial, bare},
	Empty:             {newEmpty, bare},
	"centrifuge":      {newCentrifuge, crowd.Centrifuge},
}

// Names returns the names of the Go servers, in order.
func Names() []string { return slices.Sorted(maps.Keys(kinds)) }

// DialectOf returns the dialect of a server.
func DialectOf(name string) (crowd.Dialect, error) {
	if name == "socketio" {
		return crowd.SocketIO(), nil
	}
	kind, ok := kinds[name]
	if !ok {
		return crowd.Dialect{}, fmt.Errorf("%q is not a peer; the peers are %q and socketio", name, Names())
	}
	return kind.Dialect(), nil
}

// Run runs one server: it prints its address on standard output and runs until it is
// killed.
func Run(name string) error {
	kind, ok := kinds[name]
	if !ok {
		return fmt.Errorf("%q is not a Go peer; the Go peers are %q", name, Names())
	}
	server, err := kind.New()
	if err != nil {
		return err
	}
	clients, err := net.Listen("tcp4", "127.0.0.1:0")
	if err != nil {
		return err
	}
	orders, err := net.Listen("tcp4", "127.0.0.1:0")
	if err != nil {
		return err
	}
	failed := make(chan error)
	go func() { failed <- http.Serve(orders, control(server)) }()
	go func() { failed <- server.Serve(clients) }()
	fmt.Printf("listening %s %s\n", clients.Addr(), orders.Addr())
	return <-failed
}
