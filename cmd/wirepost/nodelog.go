//go:build !nocluster

package main

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"time"

	"github.com/nats-io/nats.go"

	"github.com/wirepost/wirepost/engine"
	replicated "github.com/wirepost/wirepost/engine/cluster"
	"github.com/wirepost/wirepost/engine/cluster/jetstream"
	"github.com/wirepost/wirepost/engine/cluster/postgres"
)

// openLog connects to the log of the cluster, and starts the server of an embedded one.
func (o *nodeOptions) openLog(ctx context.Context, id identity, p *parts) (replicated.Log, engine.Bus, error) {
	switch o.config.ClusterLog.kind() {
	case logEmbedded:
		return o.openEmbedded(ctx, id, p)
	case logNATS:
		return o.openNATS(ctx, id, p)
	case logPostgres:
		return o.openPostgres(ctx, id, p)
	}
	return nil, nil, fmt.Errorf("--cluster-log %s is not known", o.config.ClusterLog)
}

// serverCloseLimit limits the time in which an embedded server stops.
const serverCloseLimit = 5 * time.Second

// waitingEvery is the time between two looks at what an embedded server waits for.
const waitingEvery = 500 * time.Millisecond

func (o *nodeOptions) openEmbedded(ctx context.Context, id identity, p *parts) (replicated.Log, engine.Bus, error) {
	c := o.config
	encryption, err := c.clusterTLS()
	if err != nil {
		return nil, nil, err
	}
	so := jetstream.ServerOptions{
		Name: id.Node, Dir: filepath.Join(clusterDir(c.Data), "log"), Group: id.Cluster,
		Secret: string(c.ClusterSecret), TLS: encryption, Logger: o.log,
	}
	so.Host, so.Port = c.ClusterListen.split()
	for _, peer := range c.ClusterPeers {
		so.Peers = append(so.Peers, &url.URL{Scheme: "nats-route", Host: string(peer)})
	}
	server, err := jetstream.StartServer(so)
	if err != nil {
		return nil, nil, err
	}
	p.add(func() error {
		ctx, cancel := context.WithTimeout(context.Background(), serverCloseLimit)
		defer cancel()
		server.Close(ctx)
		return nil
	})
	conn, err := server.Connect()
	if err != nil {
		return nil, nil, err
	}
	var watching sync.WaitGroup
	defer watching.Wait()
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	watching.Go(func() {
		for ctx.Err() == nil {
			if text := server.Waiting(); text != "" {
				o.phase.set("it waits for the log of the cluster: " + text)
			}
			select {
			case <-time.After(waitingEvery):
			case <-ctx.Done():
			}
		}
	})
	return o.openStreams(ctx, conn, id, server, p)
}

func (o *nodeOptions) openNATS(ctx context.Context, id identity, p *parts) (replicated.Log, engine.Bus, error) {
	c := o.config
	encryption, err := c.clusterTLS()
	if err != nil {
		return nil, nil, err
	}
	o.phase.set("it waits for the NATS servers")
	conn, err := jetstream.Connect(ctx, jetstream.ConnectOptions{
		URLs: strings.Split(string(c.ClusterLog), ","), Credentials: c.ClusterCredentials, TLS: encryption, Logger: o.log,
	})
	if err != nil {
		return nil, nil, err
	}
	return o.openStreams(ctx, conn, id, nil, p)
}

func (o *nodeOptions) openPostgres(ctx context.Context, id identity, p *parts) (replicated.Log, engine.Bus, error) {
	o.phase.set("it waits for PostgreSQL")
	db, err := postgres.Open(ctx, string(o.config.ClusterLog), postgres.Options{
		Cluster: id.Cluster, Shards: id.Shards, Unreplicated: o.config.Dev || o.config.ClusterReplicas == 1, Logger: o.log,
	})
	if errors.Is(err, postgres.ErrUnreplicated) {
		err = fmt.Errorf("%w, or accept one copy with --cluster-replicas 1", err)
	}
	if err != nil {
		return nil, nil, err
	}
	p.add(func() error { db.Close(); return nil })
	return db.Log(), db.Bus(), nil
}

// openStreams opens the streams and the bus over a connection, which is closed with the
// node.
func (o *nodeOptions) openStreams(ctx context.Context, conn *nats.Conn, id identity, server *jetstream.Server, p *parts) (replicated.Log, engine.Bus, error) {
	p.add(func() error { conn.Close(); return nil })
	log, err := jetstream.Open(ctx, conn, jetstream.Options{
		Name: id.Cluster, Shards: id.Shards, Replicas: o.config.replicas(), Server: server, Logger: o.log,
	})
	if err != nil {
		return nil, nil, err
	}
	return log, jetstream.NewBus(conn, id.Cluster), nil
}

// clusterTLS returns the TLS configuration of connections to the log, or nil.
func (c *clustering) clusterTLS() (*tls.Config, error) {
	if c.ClusterTLSCert == "" && c.ClusterTLSCA == "" {
		return nil, nil
	}
	config := &tls.Config{MinVersion: tls.VersionTLS12}
	if c.ClusterTLSCert != "" {
		pair, err := tls.LoadX509KeyPair(c.ClusterTLSCert, c.ClusterTLSKey)
		if err != nil {
			return nil, fmt.Errorf("--cluster-tls-cert and --cluster-tls-key: %w", err)
		}
		config.Certificates = []tls.Certificate{pair}
	}
	if c.ClusterTLSCA != "" {
		text, err := os.ReadFile(c.ClusterTLSCA)
		if err != nil {
			return nil, fmt.Errorf("--cluster-tls-ca: %w", err)
		}
		config.RootCAs = x509.NewCertPool()
		if !config.RootCAs.AppendCertsFromPEM(text) {
			return nil, errors.New("--cluster-tls-ca: there is no certificate in PEM format in " + c.ClusterTLSCA)
		}
	}
	return config, nil
}
