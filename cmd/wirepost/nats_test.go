package main

import (
	"context"
	"encoding/binary"
	"fmt"
	"hash/crc32"
	"os"

	"github.com/nats-io/nats-server/v2/server"
	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"
	"github.com/rogpeppe/go-internal/testscript"
)

// natsServer is the command nats of scripts.
func natsServer(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) != 2 || args[1] != "start" && args[1] != "startlazy" {
		ts.Fatalf("usage: nats NAME start|startlazy")
	}
	// Nodes look for the monitoring port at its usual number, so each server has an address
	// of its own.
	pid := os.Getpid()
	host := fmt.Sprintf("127.%d.%d.%d", 100+len(args[1]), pid>>8&255, pid&255)
	s, err := server.NewServer(&server.Options{
		Host: host, Port: server.RANDOM_PORT, HTTPHost: host, HTTPPort: 8222, NoSigs: true, NoLog: true,
		JetStream: true, StoreDir: ts.MkAbs("nats-" + args[0]), SyncAlways: args[1] == "start",
	})
	ts.Check(err)
	s.Start()
	ts.Defer(func() {
		s.Shutdown()
		s.WaitForShutdown()
	})
	if !s.ReadyForConnections(patience) {
		ts.Fatalf("NATS does not start")
	}
	ts.Setenv(args[0], s.ClientURL())
}

// newerBatch is the command newer of scripts: it adds to the log of shard 0 what a newer
// program might write.
func newerBatch(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) != 2 {
		ts.Fatalf("usage: newer URL CLUSTER")
	}
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	nc, err := nats.Connect(args[0])
	ts.Check(err)
	defer nc.Close()
	js, err := jetstream.New(nc)
	ts.Check(err)
	stream, err := js.Stream(ctx, "WIREPOST_"+args[1]+"_0")
	ts.Check(err)
	entry, err := stream.GetMsg(ctx, stream.CachedInfo().State.LastSeq)
	ts.Check(err)
	// The second byte is the level of the operations, the last four are the checksum.
	data := entry.Data[:len(entry.Data)-4]
	data[1] = 100
	data = binary.BigEndian.AppendUint32(data, crc32.Checksum(data, crc32.MakeTable(crc32.Castagnoli)))
	_, err = js.Publish(ctx, entry.Subject, data)
	ts.Check(err)
}
