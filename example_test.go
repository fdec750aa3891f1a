package wirepost_test

import (
	"context"
	"fmt"
	"io"
	"log"
	"log/slog"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"os/signal"
	"strings"
	"time"

	"github.com/gorilla/websocket"

	"github.com/wirepost/wirepost"
	"github.com/wirepost/wirepost/engine/pebble"
)

// A program with an order page: its users connect at /ws with the session cookie
// they have anyway, and a handler pushes to one of them. The README shows this
// code; TestReadmeSnippet keeps the two equal.
func Example() {
	defer inTempDir()() // not in the README
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	defer stop()

	store, err := pebble.Open("wirepost-data", pebble.Options{})
	if err != nil {
		log.Fatal(err)
	}
	srv, err := wirepost.New(wirepost.Options{
		Engine: store, // nil: messages are kept in memory only
		Authenticate: func(r *http.Request) (wirepost.Identity, error) {
			user, err := userOfSession(r)
			return wirepost.Identity{User: user}, err // http.ErrNoCookie: 401
		},
	})
	if err != nil {
		log.Fatal(err)
	}

	mux := http.NewServeMux()
	mux.Handle("/ws", srv)
	mux.HandleFunc("POST /orders/{id}/ship", func(w http.ResponseWriter, r *http.Request) {
		order := r.PathValue("id")
		pushed, err := srv.Push(r.Context(), wirepost.Push{
			To:   wirepost.InboxOf(customerOf(order)),
			Data: []byte(`{"shipped":true}`),
			ID:   "shipped-" + order, // idempotent for 24 hours
		})
		if err != nil {
			wirepost.WriteError(w, err)
			return
		}
		fmt.Fprintf(w, "stored as message %d, duplicate: %t\n", pushed.Seq, pushed.Duplicate)
	})

	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		log.Fatal(err)
	}
	log.Printf("listening on http://%s", listener.Addr())
	server := &http.Server{Handler: mux}
	go server.Serve(listener)
	go shipOrder(listener.Addr().String(), stop) // not in the README

	<-ctx.Done()
	ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
	defer cancel()
	srv.Shutdown(ctx) // closes the WebSockets, which http.Server does not track
	server.Shutdown(ctx)
	store.Close()

	// Output:
	// shop: stored as message 1, duplicate: false
	// shop: stored as message 1, duplicate: true
	// page: {"shipped":true}
}

// shipOrder is the environment of the example. The order is shipped while its customer is
// offline; the page that is opened later still gets the message.
func shipOrder(address string, done func()) {
	defer done()
	for range 2 {
		response, err := http.Post("http://"+address+"/orders/1001/ship", "", nil)
		if err != nil {
			log.Fatal(err)
		}
		body, _ := io.ReadAll(response.Body)
		response.Body.Close()
		fmt.Printf("shop: %s", body)
	}
	http.DefaultClient.CloseIdleConnections()

	page, _, err := websocket.DefaultDialer.Dial("ws://"+address+"/ws",
		http.Header{"Cookie": {"session=s-of-42"}})
	if err != nil {
		log.Fatal(err)
	}
	defer page.Close()
	_, message, err := page.ReadMessage()
	if err != nil {
		log.Fatal(err)
	}
	fmt.Printf("page: %s\n", message)
}

func userOfSession(r *http.Request) (string, error) {
	cookie, err := r.Cookie("session")
	if err != nil {
		return "", err
	}
	return strings.TrimPrefix(cookie.Value, "s-of-"), nil
}

func customerOf(string) string { return "42" }

// inTempDir moves to an empty directory, and back when the function that it
// returns is called.
func inTempDir() func() {
	dir, err := os.MkdirTemp("", "wirepost")
	if err != nil {
		log.Fatal(err)
	}
	old, err := os.Getwd()
	if err != nil {
		log.Fatal(err)
	}
	if err := os.Chdir(dir); err != nil {
		log.Fatal(err)
	}
	return func() {
		if err := os.Chdir(old); err != nil {
			log.Fatal(err)
		}
		os.RemoveAll(dir)
	}
}

// Messages of plain clients are passed to OnMessage. Its reply is sent to that
// connection only, not through a channel.
func ExampleOptions_onMessage() {
	srv, err := wirepost.New(wirepost.Options{
		Authenticate: byName,
		OnMessage: func(_ context.Context, s wirepost.Session, f wirepost.Frame) (wirepost.Frame, error) {
			if string(f.Data) == "quit" {
				// The code of the Error decides the close code: here 4403.
				return wirepost.Frame{}, wirepost.Errorf(wirepost.CodeForbidden, "nobody quits")
			}
			return wirepost.Frame{Data: fmt.Appendf(nil, "%s said %s", s.User, f.Data)}, nil
		},
		Logger: slog.New(slog.DiscardHandler),
	})
	if err != nil {
		log.Fatal(err)
	}
	page, end := open(srv, srv, "42")
	defer end()

	for _, text := range []string{"hello", "quit"} {
		if err := page.WriteMessage(websocket.TextMessage, []byte(text)); err != nil {
			log.Fatal(err)
		}
		_, reply, err := page.ReadMessage()
		if err != nil {
			fmt.Println(err)
			return
		}
		fmt.Printf("%s\n", reply)
	}

	// Output:
	// 42 said hello
	// websocket: close 4403: nobody quits
}

// A program that reads in a loop, as around gorilla/websocket, keeps its loop. What is
// pushed to the user comes to the same connection by itself.
func ExampleServer_Handle() {
	srv, err := wirepost.New(wirepost.Options{Authenticate: byName, Logger: slog.New(slog.DiscardHandler)})
	if err != nil {
		log.Fatal(err)
	}
	loop := srv.Handle(func(ctx context.Context, c *wirepost.Conn) error {
		for {
			f, err := c.Read(ctx)
			if err != nil {
				return err // a wirepost.CloseInfo: the client left
			}
			if string(f.Data) == "quit" {
				return wirepost.CloseInfo{Code: 4000, Reason: "goodbye"}
			}
			if err := c.Write(ctx, wirepost.Frame{Data: append([]byte("echo: "), f.Data...)}); err != nil {
				return err
			}
		}
	})
	page, end := open(srv, loop, "42")
	defer end()

	for _, text := range []string{"hello", "quit"} {
		if err := page.WriteMessage(websocket.TextMessage, []byte(text)); err != nil {
			log.Fatal(err)
		}
		_, reply, err := page.ReadMessage()
		if err != nil {
			fmt.Println(err)
			return
		}
		fmt.Printf("%s\n", reply)
	}

	// Output:
	// echo: hello
	// websocket: close 4000: goodbye
}

// Disconnect closes the connections of a user who logs out, here all of them. With
// this close code clients do not reconnect by themselves.
func ExampleServer_Disconnect() {
	srv, err := wirepost.New(wirepost.Options{Authenticate: byName, Logger: slog.New(slog.DiscardHandler)})
	if err != nil {
		log.Fatal(err)
	}
	page, end := open(srv, srv, "42")
	defer end()

	sessions, err := srv.Sessions(context.Background(), "42")
	if err != nil {
		log.Fatal(err)
	}
	for _, s := range sessions {
		fmt.Printf("user %s is connected in mode %s\n", s.User, s.Mode)
	}
	n, err := srv.Disconnect(context.Background(), "42", "") // or one, by Session.Connection
	if err != nil {
		log.Fatal(err)
	}
	_, _, err = page.ReadMessage()
	fmt.Println(n, err)

	// Output:
	// user 42 is connected in mode plain
	// 1 websocket: close 4409: disconnected by the application
}

// byName trusts ?user=, which only an example may do.
func byName(r *http.Request) (wirepost.Identity, error) {
	return wirepost.Identity{User: r.URL.Query().Get("user")}, nil
}

// open connects a user to a handler of the server as a page does, and returns what ends
// both.
func open(srv *wirepost.Server, handler http.Handler, user string) (*websocket.Conn, func()) {
	server := httptest.NewServer(handler)
	address := "ws" + strings.TrimPrefix(server.URL, "http") + "/?user=" + user
	page, _, err := websocket.DefaultDialer.Dial(address, nil)
	if err != nil {
		log.Fatal(err)
	}
	return page, func() {
		page.Close()
		ctx, cancel := context.WithTimeout(context.Background(), 5*time.Second)
		defer cancel()
		if err := srv.Shutdown(ctx); err != nil {
			log.Fatal(err)
		}
		server.Close()
	}
}
