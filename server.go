package wirepost

import (
	"context"
	"errors"
	"log/slog"
	"net/http"
	"reflect"
	"sync"
	"sync/atomic"
	"time"

	"github.com/wirepost/wirepost/engine"
	"github.com/wirepost/wirepost/engine/memory"
	"github.com/wirepost/wirepost/internal/clock"
	"github.com/wirepost/wirepost/internal/count"
	"github.com/wirepost/wirepost/internal/escalation"
	"github.com/wirepost/wirepost/internal/feed"
	"github.com/wirepost/wirepost/internal/gateway"
	"github.com/wirepost/wirepost/internal/peers"
	"github.com/wirepost/wirepost/internal/presence"
	"github.com/wirepost/wirepost/internal/schedule"
	"github.com/wirepost/wirepost/internal/session"
	"github.com/wirepost/wirepost/internal/trend"
	"github.com/wirepost/wirepost/internal/user"
	"github.com/wirepost/wirepost/internal/webpush"
)

// Server pushes messages to users and channels. It is an http.Handler that accepts
// WebSocket connections. All methods are safe for concurrent use.
//
// Call Shutdown to stop a Server, and close its engine after that.
type Server struct {
	// Static.
	opts    Options
	host    *session.Host // what sessions share
	gateway *gateway.Gateway
	engine  engine.Engine
	memory  engine.Engine // of the memory-only channels
	shared  engine.Shared // the engine, if this server is a node of a cluster; nil: it is not
	peers   *peers.Peers  // nil: there are no other nodes
	present *peers.Peers  // the same for users in channels with presence
	events  eventLog
	// scheduled runs the timers: what is scheduled, and the steps of escalation.
	scheduled  *schedule.Schedule
	escalation *escalation.Escalation
	pusher     *pusher // nil: Web Push is off

	trend    trend.Ring
	sampling sync.WaitGroup // the goroutine of trend, until drainBegan is closed

	logger  *slog.Logger
	started time.Time

	hinted   atomic.Bool // by hintInbox
	draining atomic.Bool
	isolated atomic.Bool
	// away are the goroutines of isolate, until drainBegan is closed. None begins after that.
	away struct {
		sync.Mutex
		sync.WaitGroup
	}
	drainBegan chan struct{}
	stopped    chan struct{} // closed when Shutdown is done
	stopOnce   sync.Once
	cut        bool // written before stopped is closed: some connections were cut

	// cancel cancels host.Base, when the connections are closed.
	cancel context.CancelFunc
	// urgent is done when the context of a caller of Shutdown is.
	urgent context.Context
	hurry  context.CancelCauseFunc
}

var errDraining = publicError(gateway.ErrDraining)

// New makes a server and starts its loops. The error, if any, is an *OptionError.
func New(o Options) (*Server, error) {
	if err := o.complete(); err != nil {
		return nil, err
	}
	policies, err := o.newPolicies()
	if err != nil {
		return nil, err
	}
	if err := claimEngine(o.Engine); err != nil {
		return nil, err
	}
	s := &Server{opts: o, engine: o.Engine, logger: o.Logger, started: time.Now(), stopped: make(chan struct{}), drainBegan: make(chan struct{})}
	now := clockOf(o.Engine, o.Logger)
	s.shared, _ = o.Engine.(engine.Shared)
	s.openMemory(now)
	inFeeds := feed.Config{
		Durable: s.engine, Memory: s.memory, MemoryOnly: policies.MemoryOnly, HasPresence: policies.HasPresence, TailMemory: o.TailMemory,
	}
	ofUsers := user.Config{
		Store: s.engine, AllInMemory: policies.MemoryOnly(All), Logger: o.Logger, Shared: s.shared != nil,
		Ready: s.storage,
	}
	if s.clustered() {
		ofUsers.Elsewhere = s.elsewhere
	}
	if s.clustered() || o.writesEvents() {
		inFeeds.Counted = s.counted
	}
	feeds := feed.New(inFeeds)
	s.makeRecorder(feeds)
	if r := s.events.recorder; r != nil && r.Wants(EventMessageAcknowledged, EventMessageRead, EventMembershipChanged) {
		ofUsers.Record = r.Record
	}
	ofUsers.LogOf = feeds.LogOf
	users := user.New(ofUsers)
	inChannels := presence.Config{Enabled: policies.HasPresence, Now: func() int64 { return now.Wall().UnixMilli() }}
	if s.clustered() {
		inChannels.Changed = func(key string) { s.present.Changed(key) }
	}
	s.host = &session.Host{
		Config: o.session(), Users: users, Feeds: feeds, Presence: presence.New(inChannels), Pages: feed.NewReaders(2*o.Loops, o.PageMemory),
		Policies: policies, Clock: now, Counters: new(count.Counters), Logger: o.Logger,
		Hooks: s.sessionHooks(), Epoch: s.engine.Epoch(), VAPIDKey: func() string { return s.pusher.key() }, Tracer: o.Tracer,
	}
	s.host.Base, s.cancel = context.WithCancel(context.Background())
	if err := s.joinCluster(); err != nil {
		s.discard()
		return nil, err
	}
	if err := s.startEvents(); err != nil {
		s.leaveCluster()
		s.discard()
		return nil, err
	}
	s.urgent, s.hurry = context.WithCancelCause(context.Background())
	s.gateway = gateway.New(s.host, gateway.Config{
		Hooks: s.gatewayHooks(), AllowOrigins: o.AllowOrigins, Compress: o.Compress, LogRefusals: o.LogRefusals, Loops: o.Loops,
		MaxConnections: o.MaxConnections, MaxAddressConnections: o.MaxAddressConnections, HandshakeRate: o.HandshakeRate,
	})
	if o.WebPush.on() {
		s.pusher = s.openWebPush()
	}
	s.escalation = s.newEscalation()
	s.scheduled = s.startSchedule()
	s.sampling.Go(func() { s.trend.Run(s.drainBegan, s.trendPoint) })
	return s, nil
}

// trendPoint reads the point of now. The counters are cheap: none visits connections.
func (s *Server) trendPoint() trend.Point {
	c := s.host.Counters
	return trend.Point{
		Elapsed: time.Since(s.started).Milliseconds(), Connections: s.host.Users.Connections(), Users: s.host.Users.Online(),
		Pushes: c.Pushes.Load(), Deliveries: c.Deliveries.Load(), Memory: trend.Memory(),
	}
}

func (s *Server) openWebPush() *pusher {
	allow, _ := s.opts.WebPush.check() //nolint:errcheck // complete has checked it
	return &pusher{users: s.host.Users, Sender: webpush.New(webpush.Config{
		Subject: s.opts.WebPush.Subject, Allow: allow, Store: s.engine, Now: s.Now, Logger: s.logger,
	})}
}

// ServeHTTP upgrades a request to a client connection, which then speaks as
// docs/protocol.md says. Every refusal is a plain HTTP error, before the upgrade.
func (s *Server) ServeHTTP(w http.ResponseWriter, r *http.Request) { s.gateway.ServeHTTP(w, r) }

// Events returns a handler for clients that cannot use WebSocket: a stream of Server-Sent
// Events (https://html.spec.whatwg.org/multipage/server-sent-events.html). The data of
// each event is an object of wirepost.v1. Its ID is a cursor over all channels;
// reconnecting with it as Last-Event-ID acknowledges and resumes. Tokens, limits and the
// query are those of ServeHTTP.
func (s *Server) Events() http.Handler { return s.gateway.Events() }

// Poll returns a handler for clients that can only make ordinary requests: long polling.
// GET with ?after=CURSOR&wait=25s responds with {"cursor":"…","messages":[…]} as soon as
// there are messages, or with an empty list after the wait. The messages are objects of
// wirepost.v1; passing the cursor in the next request acknowledges them. Each poll is a
// session. Tokens, limits and the other parameters are those of ServeHTTP.
func (s *Server) Poll() http.Handler { return s.gateway.Poll() }

// Echo returns a handler that sends every WebSocket message back to the client. It needs
// no user and uses no channel. The origin is checked as for ServeHTTP.
func (s *Server) Echo() http.Handler { return s.gateway.Echo() }

// TokenCookie is the name of the cookie that may carry a client's token.
const TokenCookie = gateway.TokenCookie

// claimed are the engines that servers use.
var claimed = struct {
	sync.Mutex
	engines map[engine.Engine]struct{}
}{engines: map[engine.Engine]struct{}{}}

// claimEngine refuses an engine that another server uses. A record is sent to the
// watchers of the server that stored it, so each server would miss the other's.
func claimEngine(e engine.Engine) error {
	if !reflect.ValueOf(e).Comparable() {
		return nil // such a value is never the same as another
	}
	claimed.Lock()
	defer claimed.Unlock()
	if _, used := claimed.engines[e]; used {
		return optionError("Engine", "in use by another Server that has not been shut down")
	}
	claimed.engines[e] = struct{}{}
	return nil
}

func releaseEngine(e engine.Engine) {
	if !reflect.ValueOf(e).Comparable() {
		return
	}
	claimed.Lock()
	defer claimed.Unlock()
	delete(claimed.engines, e)
}

// clockOf returns the clock of an engine that has one, so that all lifetimes follow one
// clock; otherwise a new one.
func clockOf(e engine.Engine, log *slog.Logger) *clock.Clock {
	if c, ok := e.(interface{ Clock() *clock.Clock }); ok {
		return c.Clock()
	}
	return clock.New(clock.Source{}, time.Time{}, log)
}

// Now returns the time of the server's clock: the system's time, ignoring jumps that
// have not lasted for ten minutes.
func (s *Server) Now() time.Time { return s.host.Clock.Wall() }

// openMemory opens the engine of memory-only channels.
func (s *Server) openMemory(now *clock.Clock) {
	if s.shared != nil {
		s.memory = s.shared.Memory() // closed with the engine
		return
	}
	s.memory = memory.New(memory.Options{
		MaxBytes: int64(s.opts.ChannelMemory), Base: memoryBase(now.Now()), Now: now.Now, Logger: s.logger,
	})
}

// memoryBase is the sequence after which those of memory-only channels begin: the start
// time in µs, so that the sequences of the next run are larger. JavaScript can represent
// it exactly.
func memoryBase(start time.Time) uint64 { return uint64(max(0, start.UnixMicro())) }

// Ready returns nil if the server accepts pushes and connections. Otherwise it returns an
// *Error with CodeUnavailable and a message for operators: after Shutdown has begun, and
// while the engine accepts no writes (see engine.Health). A load balancer sends no
// requests to a server that is not ready.
func (s *Server) Ready() error {
	if err := s.accepting(); err != nil {
		return err
	}
	return s.storage()
}

// accepting returns nil if clients may connect: until Shutdown begins, also while the
// engine accepts no writes, because it can still be read. A node that has been cut off from
// its cluster for long does not accept any.
func (s *Server) accepting() error {
	if s.draining.Load() {
		return errDraining
	}
	if s.isolated.Load() {
		return errIsolated
	}
	return nil
}

// Alive returns an *Error if only a restart helps because the engine has failed
// (engine.ErrFailed), and nil otherwise. A supervisor restarts a process that is not
// alive.
func (s *Server) Alive() error {
	if err := s.storage(); errors.Is(err, engine.ErrFailed) {
		return err
	}
	return nil
}

// storage returns the engine's state.
func (s *Server) storage() error {
	if h, ok := s.engine.(engine.Health); ok {
		if err := h.Ready(); err != nil {
			return AsError(err)
		}
	}
	return nil
}

// MaxMessage returns the largest size of a message's data, in bytes.
func (s *Server) MaxMessage() int { return s.opts.MaxMessage }
