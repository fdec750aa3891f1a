// Echo returns every message and logs it.
//
//	go run ./echo             # the server, with a page at http://127.0.0.1:8080
//	go run ./echo -client     # in another terminal: a client that sends the time every second
//
// The page connects by itself, and has buttons to open a connection, send and close. Text
// and binary messages keep their type. Every client must have a user: here all are the same
// guest.
package main

import (
	"context"
	"flag"
	"fmt"
	"log"
	"net"
	"net/http"

	"github.com/wirepost/wirepost"
	"github.com/wirepost/wirepost/examples/internal/page"
)

func main() {
	listen := flag.String("listen", "127.0.0.1:8080", "where the server listens")
	client := flag.Bool("client", false, "be a client of that server")
	flag.Parse()
	if *client {
		if err := tick("ws://" + *listen + "/echo"); err != nil {
			log.Fatal(err)
		}
		return
	}

	srv, err := wirepost.New(wirepost.Options{
		Authenticate: func(*http.Request) (wirepost.Identity, error) {
			return wirepost.Identity{User: "guest"}, nil
		},
		OnMessage: func(_ context.Context, s wirepost.Session, f wirepost.Frame) (wirepost.Frame, error) {
			log.Printf("%s sent %.100q", s.Address, f.Data)
			return f, nil // the reply
		},
	})
	if err != nil {
		log.Fatal(err)
	}
	http.Handle("/echo", srv)
	http.Handle("/{$}", page.At("/echo"))

	listener, err := net.Listen("tcp", *listen)
	if err != nil {
		log.Fatal(err)
	}
	fmt.Printf("open http://%s\n", listener.Addr())
	log.Fatal(http.Serve(listener, nil))
}
