// Chat has rooms with history, a list of the users present, and typing indicators.
//
//	go run ./chat
//
// Open http://127.0.0.1:8080 in two windows and enter two names.
//
// Each room has three channels: room:NAME keeps the last hundred messages;
// typing:NAME keeps nothing, because typing indicators are useless a moment later;
// presence:NAME is written only by this program. Pages use wirepost.v1 with
// /wirepost.js: they publish and subscribe as the policies below allow, and call
// "join" to get the users present and "history" to get earlier messages.
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
	srv, err := wirepost.New(wirepost.Options{
		// Any user name is accepted. A production program checks its session cookie.
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
	rooms.srv = srv

	http.Handle("/ws", srv)
	http.Handle("/wirepost.js", js.Handler())
	http.Handle("/wirepost-more.js", js.Handler())
	http.HandleFunc("/{$}", func(w http.ResponseWriter, _ *http.Request) {
		// A user who follows a link leaves the room: without this, browsers may keep
		// the page and its connection in the back/forward cache.
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
