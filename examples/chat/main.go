// Chat has rooms with history, with who is there, and with who is typing.
//
//	go run ./chat
//
// Open http://127.0.0.1:8080 in two windows and be two people.
//
// Each room has three channels: room:NAME keeps the last hundred messages;
// typing:NAME keeps nothing, for it is worth nothing a moment later; presence:NAME
// is written by this program alone. Pages speak wirepost.v1 by /wirepost.js: they
// publish and subscribe by themselves, as the policies below allow, and call "join"
// to learn who is there and "history" to learn what was said.
package main

import (
	_ "embed"
	"flag"
	"fmt"
	"log"
	"net"
	"net/http"

	"github.com/wirepost/wirepost"
	"github.com/wirepost/wirepost/js"
)

//go:embed page.html
var page []byte

func main() {
	listen := flag.String("listen", "127.0.0.1:8080", "where to listen")
	flag.Parse()

	var rooms rooms
	post, err := wirepost.New(wirepost.Options{
		// Everybody is believed. A real chat looks at its session cookie.
		Authenticate: func(r *http.Request) (wirepost.Identity, error) {
			return wirepost.Identity{User: r.URL.Query().Get("user")}, nil
		},
		Channels: []wirepost.Policy{
			{Pattern: "room:*", Subscribe: wirepost.AccessAnyone, Publish: wirepost.AccessAnyone, MaxMessages: history},
			{Pattern: "typing:*", Subscribe: wirepost.AccessAnyone, Publish: wirepost.AccessAnyone, NonDurable: true},
			{Pattern: "presence:*", Subscribe: wirepost.AccessAnyone, NonDurable: true},
		},
		OnCall:       rooms.call,
		OnDisconnect: rooms.leave,
	})
	if err != nil {
		log.Fatal(err)
	}
	rooms.post = post

	http.Handle("/ws", post)
	http.Handle("/wirepost.js", js.Handler())
	http.Handle("/wirepost-more.js", js.Handler())
	http.HandleFunc("/{$}", func(w http.ResponseWriter, _ *http.Request) {
		// Who follows a link leaves the room: without this, browsers may keep the page
		// for the way back, and its connection too.
		w.Header().Set("Cache-Control", "no-store")
		w.Write(page)
	})

	listener, err := net.Listen("tcp", *listen)
	if err != nil {
		log.Fatal(err)
	}
	fmt.Printf("open http://%s\n", listener.Addr())
	log.Fatal(http.Serve(listener, nil))
}
