// Reply logs each message of a client, and replies with "received: " and the message.
//
//	go run ./reply
//	go run ./reply -prefix '接收到消息: '
//
// The page at http://127.0.0.1:8080 connects by itself.
package main

import (
	"context"
	"flag"
	"fmt"
	"log"
	"net"
	"net/http"
	"slices"

	"github.com/wirepost/wirepost"
	"github.com/wirepost/wirepost/examples/internal/page"
)

func main() {
	listen := flag.String("listen", "127.0.0.1:8080", "where to listen")
	prefix := flag.String("prefix", "received: ", "what a reply begins with")
	flag.Parse()

	srv, err := wirepost.New(wirepost.Options{
		Authenticate: func(*http.Request) (wirepost.Identity, error) {
			return wirepost.Identity{User: "guest"}, nil
		},
		OnMessage: answer([]byte(*prefix)),
	})
	if err != nil {
		log.Fatal(err)
	}
	http.Handle("/ws", srv)
	http.Handle("/{$}", page.At("/ws"))

	listener, err := net.Listen("tcp", *listen)
	if err != nil {
		log.Fatal(err)
	}
	fmt.Printf("listening http://%s\n", listener.Addr())
	log.Fatal(http.Serve(listener, nil))
}

// answer returns a callback, which is called for one message of a connection at a time, in
// order. A text gets a text reply, bytes get bytes. An error would close the connection.
func answer(prefix []byte) func(context.Context, wirepost.Session, wirepost.Frame) (wirepost.Frame, error) {
	return func(_ context.Context, s wirepost.Session, f wirepost.Frame) (wirepost.Frame, error) {
		log.Printf("%s sent %.100q", s.Address, f.Data)
		return wirepost.Frame{Binary: f.Binary, Data: slices.Concat(prefix, f.Data)}, nil
	}
}
