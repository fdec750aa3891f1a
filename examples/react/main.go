// React is a page in React and TypeScript, built by Vite: a room with history and the users
// present, and a bell with an unread count.
//
//	cd react && npm run setup && npm run build && cd ..
//	go run ./react
//
// Open http://127.0.0.1:8080 in two windows, enter two names, and remind one of them, online or
// offline:
//
//	curl -d 'tea is ready' http://127.0.0.1:8080/remind/ann
//
// While you work on the page, let Vite serve it: `npm run dev`, which sends requests for /ws
// to this program. The setup packs the npm package of this repository, for which Go is
// needed; your own project installs it with `npm install wirepost`.
package main

import (
	"encoding/json"
	"flag"
	"fmt"
	"io"
	"log"
	"net"
	"net/http"
	"os"
	"path/filepath"

	"github.com/wirepost/wirepost"
)

func main() {
	listen := flag.String("listen", "127.0.0.1:8080", "where to listen")
	pages := flag.String("pages", "react/dist", "the directory that Vite builds the page in")
	flag.Parse()

	srv, err := wirepost.New(wirepost.Options{
		// Any user name is accepted. A production program checks its session cookie.
		Authenticate: func(r *http.Request) (wirepost.Identity, error) {
			return wirepost.Identity{User: r.URL.Query().Get("user")}, nil
		},
		Channels: []wirepost.Policy{
			{Pattern: "room:*", Subscribe: wirepost.AccessAnyone, Publish: wirepost.AccessAnyone, MaxMessages: 100, Presence: true},
		},
	})
	if err != nil {
		log.Fatal(err)
	}
	if _, err := os.Stat(filepath.Join(*pages, "index.html")); err != nil {
		log.Printf("there is no page in %s yet: run `npm run setup && npm run build` in react, or `npm run dev`", *pages)
	}

	http.Handle("GET /ws", srv)
	http.Handle("GET /", http.FileServer(http.Dir(*pages)))
	http.HandleFunc("POST /remind/{user}", func(w http.ResponseWriter, r *http.Request) { remind(srv, w, r) })

	listener, err := net.Listen("tcp", *listen)
	if err != nil {
		log.Fatal(err)
	}
	fmt.Printf("open http://%s\n", listener.Addr())
	log.Fatal(http.Serve(listener, nil))
}

// remind pushes a text to the inbox of a user.
func remind(srv *wirepost.Server, w http.ResponseWriter, r *http.Request) {
	text, err := io.ReadAll(http.MaxBytesReader(w, r.Body, 1000))
	if err != nil {
		http.Error(w, err.Error(), http.StatusRequestEntityTooLarge)
		return
	}
	data, err := json.Marshal(map[string]string{"text": string(text)})
	if err == nil {
		_, err = srv.Push(r.Context(), wirepost.Push{To: wirepost.InboxOf(r.PathValue("user")), Data: data})
	}
	if err != nil {
		wirepost.WriteError(w, err)
	}
}
