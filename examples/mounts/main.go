// Mounts serves the same Wirepost server from four routers, behind typical
// middleware: a log line per request, recovery from panics, and authentication.
//
//	go run ./mounts -router gin      # or net/http, echo, chi
//	curl -i 'http://127.0.0.1:8080/ws'             # 401, by the middleware
//	curl -i 'http://127.0.0.1:8080/ws?user=42'     # 426: authenticated, but not a WebSocket
//
// The page at http://127.0.0.1:8080 connects to /ws?user=42. A WebSocket hijacks its
// connection from the router (http.Hijacker); middleware that wraps the
// ResponseWriter must implement Hijack or Unwrap. All of these do.
package main

import (
	"context"
	"flag"
	"fmt"
	"log"
	"net"
	"net/http"

	"github.com/gin-gonic/gin"
	"github.com/go-chi/chi/v5"
	chimiddleware "github.com/go-chi/chi/v5/middleware"
	"github.com/labstack/echo/v4"
	echomiddleware "github.com/labstack/echo/v4/middleware"

	"github.com/wirepost/wirepost"
	"github.com/wirepost/wirepost/examples/internal/page"
)

var routers = map[string]func(http.Handler) http.Handler{
	"net/http": mountNetHTTP, "gin": mountGin, "echo": mountEcho, "chi": mountChi,
}

func main() {
	listen := flag.String("listen", "127.0.0.1:8080", "where to listen")
	router := flag.String("router", "net/http", "net/http, gin, echo or chi")
	flag.Parse()
	mount := routers[*router]
	if mount == nil {
		log.Fatalf("there is no router %q", *router)
	}
	srv, err := wirepost.New(wirepost.Options{
		// The middleware has authenticated the user.
		Authenticate: func(r *http.Request) (wirepost.Identity, error) {
			return wirepost.Identity{User: userOf(r)}, nil
		},
		OnMessage: func(_ context.Context, s wirepost.Session, f wirepost.Frame) (wirepost.Frame, error) {
			log.Printf("%s sent %.100q", s.User, f.Data)
			return wirepost.Frame{Data: append([]byte(s.User+": "), f.Data...)}, nil
		},
	})
	if err != nil {
		log.Fatal(err)
	}
	listener, err := net.Listen("tcp", *listen)
	if err != nil {
		log.Fatal(err)
	}
	fmt.Printf("listening http://%s\n", listener.Addr())
	mux := http.NewServeMux()
	mux.Handle("/{$}", page.At("/ws?user=42"))
	mux.Handle("/", mount(srv))
	log.Fatal(http.Serve(listener, mux))
}

func mountNetHTTP(srv http.Handler) http.Handler {
	mux := http.NewServeMux()
	mux.Handle("/ws", srv)
	return logged(recovered(signedIn(mux)))
}

func mountGin(srv http.Handler) http.Handler {
	router := gin.New()
	router.Use(gin.Logger(), gin.Recovery(), func(c *gin.Context) {
		if user := c.Query("user"); user != "" {
			c.Request = withUser(c.Request, user)
			return
		}
		c.AbortWithStatus(http.StatusUnauthorized)
	})
	router.GET("/ws", gin.WrapH(srv))
	return router
}

func mountEcho(srv http.Handler) http.Handler {
	router := echo.New()
	router.Use(echomiddleware.RequestLogger(), echomiddleware.Recover(), echo.WrapMiddleware(signedIn))
	router.GET("/ws", echo.WrapHandler(srv))
	return router
}

func mountChi(srv http.Handler) http.Handler {
	router := chi.NewRouter()
	router.Use(chimiddleware.Logger, chimiddleware.Recoverer, signedIn)
	router.Handle("/ws", srv)
	return router
}
