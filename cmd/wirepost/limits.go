package main

import (
	"github.com/wirepost/wirepost"
)

// limits are the limits on clients and backends. 0 means no limit.
type limits struct {
	MaxConnections        limit      `default:"0" placeholder:"N" help:"Maximum connections; more get 503 (default ${default}: no limit)."`
	MaxUserConnections    limit      `default:"0" placeholder:"N" help:"Maximum connections per user; more get 429 (default ${default}: no limit)."`
	MaxAddressConnections limit      `default:"0" placeholder:"N" help:"Maximum connections per address; more get 429 (default ${default}: no limit)."`
	HandshakeRate         rateLimit  `default:"0" placeholder:"N" help:"New connections per second and address (default ${default}: no limit)."`
	MessageRate           rateLimit  `default:"0" placeholder:"N" help:"Messages per second that a connection may send before it is closed (default ${default}: no limit)."`
	ByteRate              byteLimit  `default:"0" placeholder:"SIZE" help:"Bytes per second that a connection may send before it is closed (default ${default}: no limit)."`
	PushRate              limit      `default:"0" placeholder:"N" help:"Messages per second that each API key may push (default ${default}: no limit)."`
	Memory                memorySize `placeholder:"SIZE" help:"Memory limit of the process, which includes the two below (default: 3/4 of the memory of the machine or container, as far as it is useful)."`
	PushMemory            size       `placeholder:"SIZE" help:"Memory of concurrent pushes; more get 503 (default: a share of --memory)."`
	TailMemory            size       `placeholder:"SIZE" help:"Memory for cached recent messages (default: a share of --memory)."`
	ReconnectRate         rateLimit  `default:"0" placeholder:"N" help:"Connections closed per second during shutdown (default ${default}: all at once)."`
}

// apply sets the library's options.
func (l *limits) apply(o *wirepost.Options) {
	o.MaxConnections = int(l.MaxConnections)
	o.MaxUserConnections = int(l.MaxUserConnections)
	o.MaxAddressConnections = int(l.MaxAddressConnections)
	o.HandshakeRate = float64(l.HandshakeRate)
	o.MessageRate = float64(l.MessageRate)
	o.ByteRate = int(l.ByteRate)
	o.ReconnectRate = float64(l.ReconnectRate)
}
