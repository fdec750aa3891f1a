// Gin-echo is a Gin route that upgrades to a WebSocket and echoes.
//
//	go run ./gin-echo
//
// The page at http://127.0.0.1:8080, and pages of the origin given by -origin, may connect
// to /echo; a message of more than 512 bytes closes the connection with 1009.
package main

import (
	"flag"
	"fmt"
	"log"
	"net"
	"net/http"

	"github.com/gin-gonic/gin"

	"github.com/wirepost/wirepost"
	"github.com/wirepost/wirepost/examples/internal/page"
)

func main() {
	listen := flag.String("listen", "127.0.0.1:8080", "where to listen")
	origin := flag.String("origin", "https://app.example.com", "whose pages may connect too")
	flag.Parse()

	srv, err := wirepost.New(wirepost.Options{
		AllowOrigins: []string{*origin},
		MaxMessage:   512,
		Authenticate: func(*http.Request) (wirepost.Identity, error) {
			return wirepost.Identity{User: "guest"}, nil // not used: Echo has no users
		},
	})
	if err != nil {
		log.Fatal(err)
	}
	router := gin.Default()
	router.GET("/echo", gin.WrapH(srv.Echo()))
	router.GET("/", gin.WrapH(page.At("/echo")))

	listener, err := net.Listen("tcp", *listen)
	if err != nil {
		log.Fatal(err)
	}
	fmt.Printf("listening http://%s\n", listener.Addr())
	log.Fatal(http.Serve(listener, router))
}
