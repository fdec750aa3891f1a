// Chat has rooms with history, a list of the users present, and typing indicators.
//
//	go run ./chat
//
// Open http://127.0.0.1:8080 in two windows and enter two names.
//
// Each room has two channels: room:NAME keeps the last hundred messages, and knows who is
// present; typing:NAME keeps nothing, because typing indicators are useless a moment
// later. The policies below are all that this program has to say about them: pages use
// wirepost.v1 with /wirepost.js to publish, subscribe, read earlier messages and see who is
// there.
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

	srv, err := wirepost.New(wirepost.Options{
		// Any user name is accepted. A production program checks its session cookie, and
		// sets Info to what the others see of the user, such as a name and a picture.
		Authenticate: func(r *http.Request) (wirepost.Identity, error) {
			return wirepost.Identity{User: r.URL.Query().Get("user")}, nil
		},
		Channels: []wirepost.Policy{
			{Pattern: "room:*", Subscribe: wirepost.AccessAnyone, Publish: wirepost.AccessAnyone, MaxMessages: 100, Presence: true},
			{Pattern: "typing:*", Subscribe: wirepost.AccessAnyone, Publish: wirepost.AccessAnyone, NonDurable: true},
		},
	})
	if err != nil {
		log.Fatal(err)
	}

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
