// Notifications is a notification bell with an unread count. Opening the list in one
// tab, or on one device, clears the count on all of them.
//
//	go run ./notifications
//
// Open http://127.0.0.1:8080/?user=ann in two tabs, and notify Ann, online or
// offline:
//
//	curl -d 'your order has shipped' http://127.0.0.1:8080/notify/ann
package main

import (
	_ "embed"
	"encoding/json"
	"flag"
	"fmt"
	"io"
	"log"
	"net"
	"net/http"

	"github.com/wirepost/wirepost"
	"github.com/wirepost/wirepost/js"
)

//go:embed page.html
var page []byte

func main() {
	listen := flag.String("listen", "127.0.0.1:8080", "where to listen")
	flag.Parse()

	srv, err := wirepost.New(wirepost.Options{
		Authenticate: func(r *http.Request) (wirepost.Identity, error) {
			return wirepost.Identity{User: userOf(r)}, nil
		},
	})
	if err != nil {
		log.Fatal(err)
	}
	http.Handle("GET /ws", srv)
	http.Handle("GET /wirepost.js", js.Handler())
	http.Handle("GET /wirepost-more.js", js.Handler())
	http.HandleFunc("GET /{$}", func(w http.ResponseWriter, _ *http.Request) { w.Write(page) })
	http.HandleFunc("GET /notifications", func(w http.ResponseWriter, r *http.Request) { list(srv, w, r) })
	http.HandleFunc("POST /notify/{user}", func(w http.ResponseWriter, r *http.Request) { notify(srv, w, r) })

	listener, err := net.Listen("tcp", *listen)
	if err != nil {
		log.Fatal(err)
	}
	fmt.Printf("open http://%s/?user=ann\n", listener.Addr())
	log.Fatal(http.Serve(listener, nil))
}

// userOf accepts any user. A production program checks its session cookie.
func userOf(r *http.Request) string { return r.URL.Query().Get("user") }

// list serves the messages that a newly opened page shows. Later messages are
// pushed.
func list(srv *wirepost.Server, w http.ResponseWriter, r *http.Request) {
	messages, _, err := srv.Inbox(r.Context(), userOf(r), 0, wirepost.MaxLimit)
	if err != nil {
		wirepost.WriteError(w, err)
		return
	}
	json.NewEncoder(w).Encode(messages)
}

func notify(srv *wirepost.Server, w http.ResponseWriter, r *http.Request) {
	text, err := io.ReadAll(http.MaxBytesReader(w, r.Body, 1000))
	if err != nil {
		http.Error(w, err.Error(), http.StatusRequestEntityTooLarge)
		return
	}
	_, err = srv.Push(r.Context(), wirepost.Push{
		To:          wirepost.InboxOf(r.PathValue("user")),
		ContentType: "text/plain",
		Data:        text,
	})
	if err != nil {
		wirepost.WriteError(w, err)
	}
}
