package client_test

import (
	"context"
	"errors"
	"fmt"
	"log"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"

	"github.com/wirepost/wirepost"
	"github.com/wirepost/wirepost/client"
	"github.com/wirepost/wirepost/httpapi"
)

// A program that handles the messages pushed to user 42, each once and in order, even
// across restarts of the program or the server. The README shows this code; TestReadme
// keeps the two equal.
func ExampleClient_Messages() {
	url, token, path, handle, ctx, done := exampleReceiver() // not in the README
	defer done()                                             // not in the README
	store, err := client.OpenFile(path)
	if err != nil {
		log.Fatal(err)
	}
	c, err := client.Dial(ctx, url, client.Options{
		Token: token, // called for each connection, and before a token expires
		Store: store, // remembers over restarts what was handled
	})
	if err != nil {
		log.Fatal(err)
	}
	defer c.Close()
	for msg, err := range c.Messages(ctx) {
		if err != nil {
			fmt.Println("ended:", err) // always the last
			break
		}
		handle(msg.Channel, msg.Data) // acknowledged when the loop body has finished
	}

	// Output:
	// user:42: {"order":7}
	// user:42: {"order":8}
	// ended: context canceled
}

// A backend pushes many messages over one request, without waiting for each result.
func ExampleBackend_Stream() {
	server, key, orders, ctx, done := exampleBackend() // not in the README
	defer done()                                       // not in the README
	backend, err := client.NewBackend(server, client.BackendOptions{Key: key})
	if err != nil {
		log.Fatal(err)
	}
	stream := backend.Stream(ctx)
	for _, order := range orders {
		push := client.Push{To: "user:" + order.Customer, Data: order.JSON, ID: order.ID}
		if _, err := stream.Push(ctx, push); err != nil {
			log.Fatal(err)
		}
	}
	if err := stream.Close(); err != nil { // waits for the results, and returns what was refused
		log.Fatal(err)
	}

	list, _, err := backend.Messages(ctx, "user:42", 0, 0)
	if err != nil {
		log.Fatal(err)
	}
	for _, msg := range list {
		fmt.Println(msg.Seq, msg.ID, string(msg.Data))
	}

	// Output:
	// 1 order-7 {"order":7}
	// 2 order-8 {"order":8}
}

// A push repeated with the same ID is stored once.
func ExampleBackend_Push() {
	server, key, _, ctx, done := exampleBackend()
	defer done()
	backend, err := client.NewBackend(server, client.BackendOptions{Key: key})
	if err != nil {
		log.Fatal(err)
	}
	for range 2 {
		pushed, err := backend.Push(ctx, client.Push{To: "user:42", Data: []byte(`{"order":7}`), ID: "order-7"})
		if err != nil {
			log.Fatal(err)
		}
		fmt.Println(pushed.Seq, pushed.Online, pushed.Duplicate)
	}

	// Output:
	// 1 0 false
	// 1 0 true
}

// A backend queries a message: which users have received it, and who has read it.
func ExampleBackend_Message() {
	server, key, orders, ctx, done := exampleBackend()
	defer done()
	backend, err := client.NewBackend(server, client.BackendOptions{Key: key})
	if err != nil {
		log.Fatal(err)
	}
	pushed, err := backend.Push(ctx, client.Push{To: "user:42", Data: orders[0].JSON, ID: orders[0].ID})
	if err != nil {
		log.Fatal(err)
	}
	if _, _, err := backend.MarkRead(ctx, "42", "", pushed.Seq); err != nil {
		log.Fatal(err)
	}
	msg, receipts, err := backend.Message(ctx, "user:42", pushed.Seq)
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println(msg.ID, receipts[0].User, receipts[0].State)

	if _, err := backend.Revoke(ctx, "user:42", pushed.Seq); err != nil {
		log.Fatal(err)
	}
	_, _, err = backend.Message(ctx, "user:42", pushed.Seq)
	fmt.Println(errors.Is(err, client.ErrNotFound))

	// Output:
	// order-7 42 read
	// true
}

// exampleSite is a server for the examples.
func exampleSite() (post *wirepost.Server, address string, done func()) {
	post, err := wirepost.New(wirepost.Options{
		Authenticate: func(*http.Request) (wirepost.Identity, error) { return wirepost.Identity{User: "42"}, nil },
		Logger:       slog.New(slog.DiscardHandler),
	})
	if err != nil {
		log.Fatal(err)
	}
	mux := http.NewServeMux()
	mux.Handle("/ws", post)
	mux.Handle("/v1/", httpapi.New(post, httpapi.Options{Keys: []string{apiKey}, Logger: slog.New(slog.DiscardHandler)}))
	server := httptest.NewServer(mux)
	return post, server.URL, func() {
		post.Shutdown(context.Background()) //nolint:errcheck // the context has no deadline
		server.Close()
	}
}

func exampleReceiver() (url string, token func(context.Context) (string, error), path string, handle func(string, []byte), ctx context.Context, done func()) {
	post, address, stop := exampleSite()
	dir, err := os.MkdirTemp("", "wirepost")
	if err != nil {
		log.Fatal(err)
	}
	for _, data := range []string{`{"order":7}`, `{"order":8}`} {
		if _, err := post.Push(context.Background(), wirepost.Push{To: "user:42", Data: []byte(data)}); err != nil {
			log.Fatal(err)
		}
	}
	ctx, cancel := context.WithCancel(context.Background())
	handle = func(channel string, data []byte) {
		fmt.Printf("%s: %s\n", channel, data)
		if string(data) == `{"order":8}` {
			cancel()
		}
	}
	done = func() {
		cancel()
		stop()
		os.RemoveAll(dir)
	}
	return address + "/ws", client.StaticToken("secret"), filepath.Join(dir, "bookmark"), handle, ctx, done
}

type exampleOrder struct {
	ID, Customer string
	JSON         []byte
}

func exampleBackend() (server, key string, orders []exampleOrder, ctx context.Context, done func()) {
	_, address, stop := exampleSite()
	orders = []exampleOrder{
		{"order-7", "42", []byte(`{"order":7}`)},
		{"order-8", "42", []byte(`{"order":8}`)},
	}
	return address, apiKey, orders, context.Background(), stop
}
