//go:build !nocluster

package main

import (
	"context"
	"fmt"
	"net/url"
	"path/filepath"
	"time"

	"github.com/wirepost/wirepost/engine"
	"github.com/wirepost/wirepost/engine/cluster"
	"github.com/wirepost/wirepost/engine/cluster/jetstream"
)

// openLog connects to the log of the cluster, and starts the server of an embedded one.
func (o *nodeOptions) openLog(ctx context.Context, id identity, p *parts) (cluster.Log, engine.Bus, error) {
	switch o.config.ClusterLog.kind() {
	case logEmbedded:
		return o.openEmbedded(ctx, id, p)
	}
	return nil, nil, fmt.Errorf("the log %s is not supported yet", o.config.ClusterLog)
}

// serverCloseLimit limits the time in which an embedded server stops.
const serverCloseLimit = 5 * time.Second

func (o *nodeOptions) openEmbedded(ctx context.Context, id identity, p *parts) (cluster.Log, engine.Bus, error) {
	c := o.config
	so := jetstream.ServerOptions{Name: id.Node, Dir: filepath.Join(clusterDir(c.Data), "log"), Group: id.Cluster}
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
	p.add(func() error { conn.Close(); return nil })
	if len(c.ClusterPeers) > 1 {
		o.phase.set(fmt.Sprintf("it waits for the log of the cluster, which needs %d of its %d servers", len(c.ClusterPeers)/2+1, len(c.ClusterPeers)))
	}
	log, err := jetstream.Open(ctx, conn, jetstream.Options{Name: id.Cluster, Shards: id.Shards, Replicas: c.replicas()})
	if err != nil {
		return nil, nil, err
	}
	return log, nil, nil
}
