// Gin-push is a push hub: users connect, a backend pushes to them by user ID, and
// messages for offline users are kept on disk.
//
//	go run ./gin-push
//
// The page at http://127.0.0.1:8080 connects as user 42. In a terminal:
//
//	curl -d 'your order has shipped' 'http://127.0.0.1:8080/pushNews?userId=42'
//	curl -X DELETE http://127.0.0.1:8080/deleteClient/42
//
// Connect twice: both pages receive the message. Push while the user is offline, or
// restart the program in between: the message arrives on the next connection, once.
// This program has no map of connections, no ping loop and no table of unread
// messages.
//
// Any user ID in the URL is accepted, and anyone may push: a production program
// checks its session cookie in Authenticate, and restricts the last two routes to
// its backends.
package main

import (
	"context"
	"flag"
	"fmt"
	"io"
	"log"
	"net"
	"net/http"
	"os"
	"os/signal"
	"time"

	"github.com/gin-gonic/gin"

	"github.com/wirepost/wirepost"
	"github.com/wirepost/wirepost/engine/pebble"
	"github.com/wirepost/wirepost/examples/internal/page"
)

func main() {
	listen := flag.String("listen", "127.0.0.1:8080", "where to listen")
	data := flag.String("data", "gin-push-data", "where messages are kept")
	flag.Parse()

	store, err := pebble.Open(*data, pebble.Options{})
	if err != nil {
		log.Fatal(err)
	}
	srv, err := wirepost.New(wirepost.Options{
		Engine:    store,
		Heartbeat: 10 * time.Second,
		Authenticate: func(r *http.Request) (wirepost.Identity, error) {
			return wirepost.Identity{User: r.URL.Query().Get("userId")}, nil // "" means 401
		},
		OnMessage: func(_ context.Context, s wirepost.Session, f wirepost.Frame) (wirepost.Frame, error) {
			log.Printf("user %s sent %.100q", s.User, f.Data)
			return wirepost.Frame{}, nil // no reply
		},
	})
	if err != nil {
		log.Fatal(err)
	}
	listener, err := net.Listen("tcp", *listen)
	if err != nil {
		log.Fatal(err)
	}
	server := &http.Server{Handler: routes(srv)}
	go server.Serve(listener)
	fmt.Printf("listening http://%s\n", listener.Addr())

	interrupted, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	<-interrupted.Done()
	stop()
	ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
	defer cancel()
	srv.Shutdown(ctx)    // notifies every client, and saves acknowledgements
	server.Shutdown(ctx) // completes the other requests
	store.Close()
}

func routes(srv *wirepost.Server) http.Handler {
	router := gin.Default()
	router.GET("/", gin.WrapH(page.At("/getPushNews?userId=42")))
	router.GET("/getPushNews", gin.WrapH(srv))
	router.POST("/pushNews", func(c *gin.Context) { push(c, srv) })
	router.DELETE("/deleteClient/:id", func(c *gin.Context) { disconnect(c, srv) })
	return router
}

// push responds when the message is on disk.
func push(c *gin.Context, srv *wirepost.Server) {
	body, err := io.ReadAll(http.MaxBytesReader(c.Writer, c.Request.Body, int64(srv.MaxMessage())+1))
	if err != nil {
		c.JSON(http.StatusRequestEntityTooLarge, gin.H{"error": err.Error()})
		return
	}
	pushed, err := srv.Push(c, wirepost.Push{
		To:          wirepost.InboxOf(c.Query("userId")),
		ContentType: "text/plain",
		Data:        body,
	})
	if err != nil {
		wirepost.WriteError(c.Writer, err) // 400 without a user, 413, 503
		return
	}
	c.JSON(http.StatusOK, pushed)
}

func disconnect(c *gin.Context, srv *wirepost.Server) {
	n, err := srv.Disconnect(context.Background(), c.Param("id"), "")
	switch {
	case err != nil:
		wirepost.WriteError(c.Writer, err)
	case n == 0:
		c.JSON(http.StatusNotFound, gin.H{"error": "user " + c.Param("id") + " is not connected"})
	default:
		c.JSON(http.StatusOK, gin.H{"disconnected": n})
	}
}
