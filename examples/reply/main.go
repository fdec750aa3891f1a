// Reply replies to each message of a client with "received: " and the message.
//
//	go run ./reply
//
// Then, in the developer tools of any page of http://127.0.0.1:8080:
//
//	ws = new WebSocket("/ws")
//	ws.onmessage = (event) => console.log(event.data)
//	ws.send("hello")            // received: hello
package main

import (
	"context"
	"flag"
	"fmt"
	"log"
	"net"
	"net/http"

	"github.com/wirepost/wirepost"
)

func main() {
	listen := flag.String("listen", "127.0.0.1:8080", "where to listen")
	flag.Parse()

	srv, err := wirepost.New(wirepost.Options{
		Authenticate: func(*http.Request) (wirepost.Identity, error) {
			return wirepost.Identity{User: "guest"}, nil
		},
		OnMessage: answer,
	})
	if err != nil {
		log.Fatal(err)
	}
	http.Handle("/ws", srv)

	listener, err := net.Listen("tcp", *listen)
	if err != nil {
		log.Fatal(err)
	}
	fmt.Printf("listening http://%s\n", listener.Addr())
	log.Fatal(http.Serve(listener, nil))
}

// answer is called for one message of a connection at a time, in order. A text gets
// a text reply, bytes get bytes. An error would close the connection.
func answer(_ context.Context, _ wirepost.Session, f wirepost.Frame) (wirepost.Frame, error) {
	return wirepost.Frame{
		Binary: f.Binary,
		Data:   append([]byte("received: "), f.Data...),
	}, nil
}
