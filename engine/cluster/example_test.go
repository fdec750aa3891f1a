package cluster_test

import (
	"context"
	"log"
	"net/http"
	"net/url"
	"os"
	"os/signal"
	"time"

	"github.com/wirepost/wirepost"
	"github.com/wirepost/wirepost/engine/cluster"
	"github.com/wirepost/wirepost/engine/cluster/jetstream"
	"github.com/wirepost/wirepost/engine/pebble"
)

// A program that embeds the server, as one of three nodes on machines of their own. It does
// what `wirepost serve --cluster-name` does: start the embedded log, join the cluster with
// the replica in a directory, and use that as the engine of a server.
func Example() {
	const shards = 4 // the same on all nodes, for good
	var peers []*url.URL
	for _, address := range []string{"10.0.0.1:6222", "10.0.0.2:6222", "10.0.0.3:6222"} {
		peers = append(peers, &url.URL{Scheme: "nats-route", Host: address})
	}
	nats, err := jetstream.StartServer(jetstream.ServerOptions{
		Name: "a", Group: "prod", Dir: "data/cluster/log",
		Host: "10.0.0.1", Port: 6222, Peers: peers, Secret: "the same on all nodes, 32 random bytes",
	})
	if err != nil {
		log.Fatal(err)
	}
	conn, err := nats.Connect()
	if err != nil {
		log.Fatal(err)
	}

	// These wait for the other nodes, until ctx is done.
	ctx := context.Background()
	entries, err := jetstream.Open(ctx, conn, jetstream.Options{Name: "prod", Shards: shards, Replicas: 3, Server: nats})
	if err != nil {
		log.Fatal(err)
	}
	shardOf := func(channel string) int { return cluster.ShardOf(channel, shards) }
	store := pebble.NewDirectory("data", shards, shardOf, pebble.Options{})
	engine, err := cluster.Join(ctx, store, cluster.Options{
		Name: "prod", Node: "a", Shards: shards, Log: entries, Bus: jetstream.NewBus(conn, "prod"),
		URL: "https://a.push.example.com",
	}, nil)
	if err != nil {
		log.Fatal(err)
	}

	srv, err := wirepost.New(wirepost.Options{
		Engine: engine,
		Authenticate: func(r *http.Request) (wirepost.Identity, error) {
			return wirepost.Identity{}, wirepost.ErrUnauthorized // your users
		},
	})
	if err != nil {
		log.Fatal(err)
	}
	web := &http.Server{Addr: ":8080", Handler: srv}
	go web.ListenAndServe() //nolint:errcheck // Shutdown ends it
	stop, done := signal.NotifyContext(ctx, os.Interrupt)
	defer done()
	select {
	case <-stop.Done():
	case <-engine.Halted():
		// This replica must not go on: restart the process. It fetches a snapshot if it has to.
		log.Print(engine.Ready())
	}

	// In this order: the server uses the engine, that the connection, and that the log.
	end(srv, web)
	engine.Close() //nolint:errcheck // what was answered is in the log
	conn.Close()
	closing, cancel := context.WithTimeout(ctx, 5*time.Second)
	defer cancel()
	nats.Close(closing)
}

// end sends the clients away and stops the HTTP server.
func end(srv *wirepost.Server, web *http.Server) {
	ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
	defer cancel()
	srv.Shutdown(ctx) //nolint:errcheck // some clients do not respond
	web.Shutdown(ctx) //nolint:errcheck // some requests are cut off
}
