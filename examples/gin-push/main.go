// Gin-push is a push hub: users connect, a backend pushes to them by name, and what
// they miss while they are away waits for them on disk.
//
//	go run ./gin-push
//
// In the developer tools of any page of http://127.0.0.1:8080, be user 42:
//
//	ws = new WebSocket("/getPushNews?userId=42")
//	ws.onmessage = (event) => console.log(event.data)
//
// and in a terminal:
//
//	curl -d 'your order has shipped' 'http://127.0.0.1:8080/pushNews?userId=42'
//	curl -X DELETE http://127.0.0.1:8080/deleteClient/42
//
// Connect twice: both pages get it. Push while nobody is there, or restart the
// program in between: it comes at the next connection, once. There is no map of
// connections, no ping loop and no table of unread messages in this program.
//
// Whoever asks is believed to be the user of the URL, and may push: a real program
// looks at its session cookie in Authenticate, and keeps the last two routes to its
// backends.
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
)

func main() {
	listen := flag.String("listen", "127.0.0.1:8080", "where to listen")
	data := flag.String("data", "gin-push-data", "where messages are kept")
	flag.Parse()

	store, err := pebble.Open(*data, pebble.Options{})
	if err != nil {
		log.Fatal(err)
	}
	post, err := wirepost.New(wirepost.Options{
		Engine:    store,
		Heartbeat: 10 * time.Second,
		Authenticate: func(r *http.Request) (wirepost.Identity, error) {
			return wirepost.Identity{User: r.URL.Query().Get("userId")}, nil // "" is answered with 401
		},
	})
	if err != nil {
		log.Fatal(err)
	}
	listener, err := net.Listen("tcp", *listen)
	if err != nil {
		log.Fatal(err)
	}
	server := &http.Server{Handler: routes(post)}
	go server.Serve(listener)
	fmt.Printf("listening http://%s\n", listener.Addr())

	interrupted, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	<-interrupted.Done()
	stop()
	ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
	defer cancel()
	post.Shutdown(ctx)   // tells every client, and saves what they have acknowledged
	server.Shutdown(ctx) // ends the other requests
	store.Close()
}

func routes(post *wirepost.Server) http.Handler {
	router := gin.Default()
	router.GET("/getPushNews", gin.WrapH(post))
	router.POST("/pushNews", func(c *gin.Context) { push(c, post) })
	router.DELETE("/deleteClient/:id", func(c *gin.Context) { disconnect(c, post) })
	return router
}

// push answers when the message is on disk.
func push(c *gin.Context, post *wirepost.Server) {
	body, err := io.ReadAll(http.MaxBytesReader(c.Writer, c.Request.Body, int64(post.MaxMessage())+1))
	if err != nil {
		c.JSON(http.StatusRequestEntityTooLarge, gin.H{"error": err.Error()})
		return
	}
	pushed, err := post.Push(c, wirepost.Push{
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

func disconnect(c *gin.Context, post *wirepost.Server) {
	n, err := post.Disconnect(context.Background(), c.Param("id"), "")
	switch {
	case err != nil:
		wirepost.WriteError(c.Writer, err)
	case n == 0:
		c.JSON(http.StatusNotFound, gin.H{"error": "user " + c.Param("id") + " is not connected"})
	default:
		c.JSON(http.StatusOK, gin.H{"disconnected": n})
	}
}
