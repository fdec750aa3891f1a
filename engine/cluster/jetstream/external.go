package jetstream

import (
	"context"
	"crypto/tls"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"
)

// ConnectOptions configures a connection to a NATS cluster.
type ConnectOptions struct {
	URLs        []string    // nats://HOST:PORT or tls://HOST:PORT, of one server or several
	Credentials string      // the name of a credentials file; "": none
	TLS         *tls.Config // nil: as the URLs say, with the authorities of the system
	Logger      *slog.Logger
}

// Connect connects to one of the servers of a NATS cluster. It tries that until ctx is
// done, and the connection does the same later.
func Connect(ctx context.Context, o ConnectOptions) (*nats.Conn, error) {
	if o.Logger == nil {
		o.Logger = slog.Default()
	}
	options := append(connectionOptions(o.Logger),
		nats.PingInterval(2*time.Second), nats.MaxPingsOutstanding(2), nats.Timeout(2*time.Second),
		nats.DisconnectErrHandler(func(_ *nats.Conn, err error) {
			if err != nil {
				o.Logger.Warn("the connection to NATS was lost", "error", err)
			}
		}),
		nats.ReconnectHandler(func(nc *nats.Conn) {
			o.Logger.Info("connected to NATS again", "server", nc.ConnectedServerName())
		}))
	if o.Credentials != "" {
		options = append(options, nats.UserCredentials(o.Credentials))
	}
	if o.TLS != nil {
		options = append(options, nats.Secure(o.TLS))
	}
	l := &Log{logger: o.Logger}
	var nc *nats.Conn
	err := l.await(ctx, "the NATS servers", func(context.Context) (err error) {
		nc, err = nats.Connect(strings.Join(o.URLs, ","), options...)
		if errors.Is(err, nats.ErrAuthorization) || errors.Is(err, nats.ErrAuthExpired) || isUsage(err) {
			return permanent{err}
		}
		return err
	})
	return nc, err
}

// isUsage reports whether a connection failed before it reached a server.
func isUsage(err error) bool {
	wrong := (*url.Error)(nil)
	return errors.As(err, &wrong)
}

// connectionOptions are those of all connections. Nothing is sent later that was published
// while there was no connection: the proposer repeats it.
func connectionOptions(log *slog.Logger) []nats.Option {
	return []nats.Option{
		nats.Name("wirepost"), nats.MaxReconnects(-1), nats.ReconnectWait(reconnectPause), nats.ReconnectBufSize(-1),
		nats.ErrorHandler(func(_ *nats.Conn, _ *nats.Subscription, err error) {
			// Followers read again what they had no room for, the Bus may lose it.
			if !errors.Is(err, nats.ErrSlowConsumer) {
				log.Warn("the connection to NATS has a problem", "error", err)
			}
		}),
	}
}

// leastVersion is the first version of NATS that sends several messages for one request.
var leastVersion = [2]int{2, 11}

// defaultEntry is the largest entry if Options.MaxEntry is 0, and headroom what a message
// has besides.
const (
	defaultEntry = 768 << 10
	headroom     = 4 << 10
)

// check checks the servers, if they are not those of the nodes themselves.
func (l *Log) check(ctx context.Context) error {
	if l.options.Server != nil {
		return nil
	}
	if !l.nc.IsConnected() {
		return nats.ErrDisconnected
	}
	if v := l.nc.ConnectedServerVersion(); older(v, leastVersion) {
		return permanentf("the NATS server has version %s, at least %d.%d is needed", v, leastVersion[0], leastVersion[1])
	}
	if need, has := int64(l.options.MaxEntry)+headroom, l.nc.MaxPayload(); has < need {
		return permanentf("the NATS servers accept messages of %d bytes: set max_payload to at least %d", has, need)
	}
	account, err := l.js.AccountInfo(ctx)
	switch {
	case errors.Is(err, jetstream.ErrJetStreamNotEnabled), errors.Is(err, jetstream.ErrJetStreamNotEnabledForAccount):
		return permanentf("JetStream is needed: %w", err)
	case err != nil:
		return err
	}
	if err := checkLimits(account, l.options.Shards+1, l.options.Replicas); err != nil {
		return err
	}
	return l.checkSync(ctx)
}

func older(version string, least [2]int) bool {
	var v [2]int
	fmt.Sscanf(version, "%d.%d", &v[0], &v[1]) //nolint:errcheck // then it is old
	return v[0] < least[0] || v[0] == least[0] && v[1] < least[1]
}

// checkLimits checks the limits of an account.
func checkLimits(a *jetstream.AccountInfo, streams, replicas int) error {
	limits := a.Limits
	if tier, ok := a.Tiers["R"+strconv.Itoa(replicas)]; ok {
		limits = tier.Limits
	}
	switch {
	case limits.MaxStore == 0:
		return permanentf("the NATS account has no storage on disk: raise its limit")
	case limits.MaxMemory >= 0 && limits.MaxMemory < memoryBytes:
		return permanentf("the NATS account has %d bytes of memory storage: memory-only channels need %d", limits.MaxMemory, memoryBytes)
	case limits.MaxStreams > 0 && limits.MaxStreams < streams:
		return permanentf("the NATS account may have %d streams: this cluster needs %d", limits.MaxStreams, streams)
	}
	return nil
}

const (
	monitorPort    = "8222" // by default
	monitorTimeout = time.Second
)

// checkSync looks whether the servers write to disk before they acknowledge. They say so
// only on their monitoring port, and not to clients.
func (l *Log) checkSync(ctx context.Context) error {
	client := &http.Client{Timeout: monitorTimeout}
	unknown := ""
	for _, server := range l.nc.Servers() {
		u, err := url.Parse(server)
		if err != nil {
			continue
		}
		always, err := syncsAlways(ctx, client, "http://"+net.JoinHostPort(u.Hostname(), monitorPort))
		switch {
		case err != nil:
			unknown = u.Host
		case !always:
			return permanentf("the NATS server %s acknowledges what is not on disk yet, and loses it in a power cut: set sync_interval: always in its jetstream block", u.Host)
		}
	}
	if unknown != "" {
		l.logger.Warn("it cannot be checked whether the NATS servers write to disk before they acknowledge: make sure that all have sync_interval: always in their jetstream block",
			"server", unknown, "monitoring_port", monitorPort)
	}
	return nil
}

func syncsAlways(ctx context.Context, client *http.Client, monitor string) (bool, error) {
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, monitor+"/jsz?config=true", nil)
	if err != nil {
		return false, err
	}
	response, err := client.Do(request)
	if err != nil {
		return false, err
	}
	defer response.Body.Close()
	var info struct {
		Config struct {
			SyncAlways bool   `json:"sync_always"`
			StoreDir   string `json:"store_dir"`
		} `json:"config"`
	}
	if err := json.NewDecoder(response.Body).Decode(&info); err != nil {
		return false, err
	}
	if info.Config.StoreDir == "" {
		return false, errors.New("it is not the monitoring port of a NATS server with JetStream")
	}
	return info.Config.SyncAlways, nil
}
