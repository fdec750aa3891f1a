package main

import (
	"github.com/wirepost/wirepost"
)

// limits is what clients and backends may take. Each is off when it is 0.
type limits struct {
	MaxConnections        limit      `default:"0" placeholder:"N" help:"Connections in all; more are answered 503 (default ${default}: no limit)."`
	MaxUserConnections    limit      `default:"0" placeholder:"N" help:"Connections of one user; more are answered 429 (default ${default}: no limit)."`
	MaxAddressConnections limit      `default:"0" placeholder:"N" help:"Connections from one address; more are answered 429 (default ${default}: no limit)."`
	HandshakeRate         rateLimit  `default:"0" placeholder:"N" help:"New connections a second from one address (default ${default}: no limit)."`
	MessageRate           rateLimit  `default:"0" placeholder:"N" help:"Messages a second that a connection may send; one that sends more is closed (default ${default}: no limit)."`
	ByteRate              byteLimit  `default:"0" placeholder:"SIZE" help:"Bytes of those a second (default ${default}: no limit)."`
	PushRate              limit      `default:"0" placeholder:"N" help:"Messages a second that each API key may push (default ${default}: no limit)."`
	Memory                memorySize `placeholder:"SIZE" help:"Memory of the whole process, which everything that follows is a part of (default: 3/4 of what the machine or container has, as far as it can be used)."`
	PushMemory            size       `placeholder:"SIZE" help:"Memory of the pushes under way; more are answered 503 (default: a part of --memory)."`
	TailMemory            size       `placeholder:"SIZE" help:"Memory of the recent messages that are kept at hand (default: a part of --memory)."`
	ReconnectRate         rateLimit  `default:"0" placeholder:"N" help:"Connections a second that are sent away at the end, to come back elsewhere (default ${default}: all at once)."`
}

// apply tells the library.
func (l *limits) apply(o *wirepost.Options) {
	o.MaxConnections = int(l.MaxConnections)
	o.MaxUserConnections = int(l.MaxUserConnections)
	o.MaxAddressConnections = int(l.MaxAddressConnections)
	o.HandshakeRate = float64(l.HandshakeRate)
	o.MessageRate = float64(l.MessageRate)
	o.ByteRate = int(l.ByteRate)
	o.ReconnectRate = float64(l.ReconnectRate)
}
