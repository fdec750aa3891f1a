package httpapi_test

import (
	"log"
	"net/http"
	"os"

	"github.com/wirepost/wirepost"
	"github.com/wirepost/wirepost/auth"
	"github.com/wirepost/wirepost/console"
	"github.com/wirepost/wirepost/httpapi"
)

// A program that embeds Wirepost with its own tokens, the HTTP API for backends in other
// languages, and the console.
func Example() {
	tokens, err := auth.New(auth.Options{Secrets: []string{os.Getenv("TOKEN_SECRET")}})
	if err != nil {
		log.Fatal(err)
	}
	srv, err := wirepost.New(wirepost.Options{VerifyToken: tokens.Verify})
	if err != nil {
		log.Fatal(err)
	}
	mux := http.NewServeMux()
	mux.Handle("/ws", srv)
	mux.Handle("/v1/", httpapi.New(srv, httpapi.Options{Keys: []string{os.Getenv("API_KEY")}}))
	mux.Handle("/console/", console.New(console.Options{}))
	log.Fatal(http.ListenAndServe("127.0.0.1:8080", mux))
}
