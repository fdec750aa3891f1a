// Subprotocol serves a subprotocol of its own, "chat", to clients that offer it.
//
//	go run ./subprotocol
//
// The page at http://127.0.0.1:8080 offers "superchat" and "chat". The server selects the first subprotocol of the client's list that it supports. A
// browser that offered subprotocols closes the connection if none was selected;
// clients that offer none are refused here.
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
	listen := flag.String("listen", "127.0.0.1:8080", "where to listen")
	flag.Parse()

	srv, err := wirepost.New(wirepost.Options{
		Subprotocols: []string{"chat"},
		Authenticate: func(*http.Request) (wirepost.Identity, error) {
			return wirepost.Identity{User: "guest"}, nil
		},
		OnConnect: func(_ *http.Request, s wirepost.Session) error {
			if s.Protocol != "chat" {
				return wirepost.Errorf(wirepost.CodeBadRequest, "this server speaks chat")
			}
			return nil
		},
		OnMessage: func(_ context.Context, s wirepost.Session, f wirepost.Frame) (wirepost.Frame, error) {
			log.Printf("%s sent %.100q in %s", s.Address, f.Data, s.Protocol)
			return wirepost.Frame{Data: fmt.Appendf(nil, "you said %q in %s", f.Data, s.Protocol)}, nil
		},
	})
	if err != nil {
		log.Fatal(err)
	}
	http.Handle("/ws", srv)
	http.Handle("/{$}", page.At("/ws", "superchat", "chat"))

	listener, err := net.Listen("tcp", *listen)
	if err != nil {
		log.Fatal(err)
	}
	fmt.Printf("listening http://%s\n", listener.Addr())
	log.Fatal(http.Serve(listener, nil))
}
