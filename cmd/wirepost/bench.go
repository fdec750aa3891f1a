package main

import (
	"context"
	"fmt"
	"io"
	"os"
	"time"

	"github.com/alecthomas/kong"

	"github.com/wirepost/wirepost"
	"github.com/wirepost/wirepost/auth"
	"github.com/wirepost/wirepost/cmd/wirepost/load"
	"github.com/wirepost/wirepost/cmd/wirepost/report"
	"github.com/wirepost/wirepost/httpapi"
)

// benchCommand is `wirepost bench`.
type benchCommand struct {
	Idle    benchIdle    `cmd:"" help:"Measure idle connections: memory, CPU, handshakes."`
	Fanout  benchFanout  `cmd:"" help:"Measure deliveries of one channel to many subscribers."`
	Push    benchPush    `cmd:"" help:"Measure durable pushes to offline users."`
	Latency benchLatency `cmd:"" help:"Measure the time from push to receipt at a steady rate."`
}

// benchFlags are the flags of all benchmarks.
type benchFlags struct {
	nodes
	APIKey      string   `name:"api-key" placeholder:"KEY" variable:"WIREPOST_API_KEY" help:"The API key, if the server requires one."`
	TokenSecret secret   `placeholder:"SECRET" variable:"WIREPOST_TOKEN_SECRET" help:"The server's token secret, to create tokens; not needed in dev mode."`
	PID         count    `name:"pid" placeholder:"PID" help:"The server's process, to read CPU and memory that /metrics lacks (default: detected, if it is on this machine)."`
	JSON        string   `name:"json" placeholder:"FILE" help:"Write the full report as JSON."`
	HTML        string   `name:"html" placeholder:"FILE" help:"Write the report as an HTML file with plots, which needs no network."`
	Duration    duration `default:"10s" placeholder:"TIME" help:"How long to measure (default ${default})."`
}

// crowdFlags describe the clients.
type crowdFlags struct {
	Mode            benchMode `default:"plain" placeholder:"MODE" help:"plain or v1 (default ${default})."`
	SourceAddresses count     `placeholder:"N" help:"Connect from 127.0.0.1 to 127.0.0.N, to a server on this machine; each has about 28 000 ports (default: depends on --connections)."`
}

// benchMode is the protocol of the clients.
type benchMode string

const (
	modePlain benchMode = "plain"
	modeV1    benchMode = "v1"
)

func (m *benchMode) UnmarshalText(text []byte) error { return choice(m, text, modePlain, modeV1) }

func (f *crowdFlags) crowd(connections count) load.Crowd {
	return load.Crowd{Connections: int(connections), V1: f.Mode == modeV1, Sources: int(f.SourceAddresses)}
}

// tokenLife is longer than any run.
const tokenLife = 24 * time.Hour

func (f *benchFlags) bench(p *benchProgress) load.Bench {
	f.APIKey = keyFor(f.APIKey, httpapi.Push|httpapi.Read)
	b := load.Bench{
		Target: load.Target{URL: &f.Server[0].URL, APIKey: f.APIKey}, PID: int(f.PID), Progress: p.show,
	}
	for i := range f.Server[1:] {
		b.Nodes = append(b.Nodes, &f.Server[1+i].URL)
	}
	if f.TokenSecret != "" {
		b.Target.Token = func(user string, channels []string) (string, error) {
			return auth.Sign(string(f.TokenSecret), wirepost.Identity{
				User: user, Subscribe: channels, Expires: time.Now().Add(tokenLife),
			})
		}
	}
	return b
}

// benchmark is implemented by the benchmarks of package load.
type benchmark interface {
	Run(context.Context) (*report.Report, error)
}

// run runs a benchmark and writes its results.
func (f *benchFlags) run(ctx context.Context, t *terminal, k *kong.Context, b benchmark, p *benchProgress) error {
	for _, s := range f.Server {
		if s.Scheme == "unix" {
			return usagef("bench needs a server on a TCP address: a Unix socket would not measure what clients experience")
		}
	}
	if f.PID > 0 && len(f.Server) > 1 {
		return usagef("--pid is the process of one server, and there are %d: leave it out", len(f.Server))
	}
	r, err := b.Run(ctx)
	p.end()
	if err != nil {
		if ctx.Err() != nil {
			err = fmt.Errorf("interrupted before anything was measured")
		}
		return fmt.Errorf("bench: %w", err)
	}
	r.Wirepost, r.Flags = version(), flagsOf(k)
	if err := r.Table(t.Out); err != nil {
		return err
	}
	for _, file := range []struct {
		path  string
		write func(io.Writer) error
	}{{f.JSON, r.JSON}, {f.HTML, r.HTML}} {
		if err := writeFile(file.path, file.write); err != nil {
			return fmt.Errorf("bench: %w", err)
		}
	}
	if len(r.Failures) > 0 {
		return fmt.Errorf("bench: the run failed, its results are invalid")
	}
	return nil
}

// flagsOf returns a command's flags with their effective values, without keys and
// secrets.
func flagsOf(k *kong.Context) map[string]any {
	flags := map[string]any{}
	for _, flag := range k.Selected().Flags {
		if !flag.HasDefault && flag.Target.IsZero() {
			continue // it was not set
		}
		switch flag.Name {
		case "help", "version", "api-key", "token-secret", "json", "html":
		case "server":
			list, _ := flag.Target.Interface().([]serverURL)
			flags[flag.Name] = redacted(list, ",")
		default:
			flags[flag.Name] = flagValue(flag.Target.Interface())
		}
	}
	return flags
}

// flagValue returns a flag's value as it appears in JSON.
func flagValue(v any) any {
	if d, ok := v.(duration); ok {
		return time.Duration(d).String()
	}
	return v
}

// writeFile writes a file, or nothing if path is "".
func writeFile(path string, write func(io.Writer) error) error {
	if path == "" {
		return nil
	}
	file, err := os.Create(path)
	if err != nil {
		return err
	}
	if err := write(file); err != nil {
		file.Close() //nolint:errcheck // the write error is returned
		return err
	}
	return file.Close()
}
