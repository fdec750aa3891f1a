// Gin-echo is a Gin route that becomes a WebSocket and echoes.
//
//	go run ./gin-echo
//
// Pages of http://127.0.0.1:8080, and those of the origin that -origin names, may
// connect to /echo; a message of more than 512 bytes ends a connection with 1009.
package main

import (
	"flag"
	"fmt"
	"log"
	"net"
	"net/http"

	"github.com/gin-gonic/gin"

	"github.com/wirepost/wirepost"
)

func main() {
	listen := flag.String("listen", "127.0.0.1:8080", "where to listen")
	origin := flag.String("origin", "https://app.example.com", "whose pages may connect too")
	flag.Parse()

	post, err := wirepost.New(wirepost.Options{
		AllowOrigins: []string{*origin},
		MaxMessage:   512,
		Authenticate: func(*http.Request) (wirepost.Identity, error) {
			return wirepost.Identity{User: "guest"}, nil // never asked: Echo has no users
		},
	})
	if err != nil {
		log.Fatal(err)
	}
	router := gin.Default()
	router.GET("/echo", gin.WrapH(post.Echo()))

	listener, err := net.Listen("tcp", *listen)
	if err != nil {
		log.Fatal(err)
	}
	fmt.Printf("listening http://%s\n", listener.Addr())
	log.Fatal(http.Serve(listener, router))
}
