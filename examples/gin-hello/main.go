// Gin-hello pushes "hello, WebSocket" every two seconds to all connected clients.
//
//	go run ./gin-hello
//
// The page at http://127.0.0.1:8080 shows them. One ticker serves all clients. A client has no goroutine, so none can leak when it
// disconnects; the test counts them.
package main

import (
	"context"
	"flag"
	"fmt"
	"log"
	"net"
	"net/http"
	"time"

	"github.com/gin-gonic/gin"

	"github.com/wirepost/wirepost"
	"github.com/wirepost/wirepost/examples/internal/page"
)

func main() {
	listen := flag.String("listen", "127.0.0.1:8080", "where to listen")
	every := flag.Duration("every", 2*time.Second, "pause between two messages")
	flag.Parse()

	srv, err := newServer()
	if err != nil {
		log.Fatal(err)
	}
	go greet(context.Background(), srv, *every)

	router := gin.Default()
	router.GET("/hello", gin.WrapH(srv))
	router.GET("/", gin.WrapH(page.At("/hello")))
	listener, err := net.Listen("tcp", *listen)
	if err != nil {
		log.Fatal(err)
	}
	fmt.Printf("listening http://%s\n", listener.Addr())
	log.Fatal(http.Serve(listener, router))
}

// newServer returns a server whose clients all subscribe to the channel "hello".
// Messages in it are sent to connected clients and not stored.
func newServer() (*wirepost.Server, error) {
	return wirepost.New(wirepost.Options{
		Authenticate: func(*http.Request) (wirepost.Identity, error) {
			return wirepost.Identity{User: "guest", Channels: []string{"hello"}}, nil
		},
		Channels: []wirepost.Policy{{Pattern: "hello", NonDurable: true, MaxMessages: 1}},
	})
}

// greet pushes until ctx is done.
func greet(ctx context.Context, srv *wirepost.Server, every time.Duration) {
	ticker := time.NewTicker(every)
	defer ticker.Stop()
	for {
		hello := wirepost.Push{To: "hello", ContentType: "text/plain", Data: []byte("hello, WebSocket")}
		if _, err := srv.Push(ctx, hello); err != nil {
			log.Print(err)
		}
		select {
		case <-ticker.C:
		case <-ctx.Done():
			return
		}
	}
}
