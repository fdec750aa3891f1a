package httpapi

import (
	"context"
	"encoding/json"
	"io"
	"iter"
	"log/slog"
	"net/http"
	"time"

	"github.com/wirepost/wirepost"
	"github.com/wirepost/wirepost/engine"
)

// backend is what the handlers need of a *wirepost.Server.
type backend interface {
	Push(context.Context, wirepost.Push) (wirepost.PushResult, error)
	PushAll(context.Context, []wirepost.Push) ([]wirepost.PushResult, error)
	PushEach(context.Context, []wirepost.Push) []wirepost.BatchResult
	Revoke(ctx context.Context, channel string, seq uint64) (wirepost.PushResult, error)
	Scheduled(context.Context, wirepost.ScheduledQuery) ([]wirepost.Scheduled, string, error)
	CancelScheduled(ctx context.Context, id, to string) error

	User(ctx context.Context, user string) (wirepost.UserInfo, error)
	Disconnect(ctx context.Context, user, connection string) (int, error)
	RevokeTokens(ctx context.Context, user string, before time.Time) (int, error)
	Now() time.Time
	MarkRead(ctx context.Context, user, channel string, seq uint64) (read uint64, unread int, err error)
	Join(ctx context.Context, user, channel string) error
	Leave(ctx context.Context, user, channel string) error

	WebPush(ctx context.Context, user string) ([]wirepost.WebPushSubscription, error)
	AddWebPush(ctx context.Context, user string, subscription json.RawMessage) error
	RemoveWebPush(ctx context.Context, user, endpoint string) error
	VAPIDKey() (string, error)
	ImportVAPIDKey(ctx context.Context, key string) error

	Channel(ctx context.Context, name string) (wirepost.ChannelInfo, error)
	Empty(ctx context.Context, channel string) error
	Await(ctx context.Context, channel string, seq uint64) error
	Messages(ctx context.Context, channel string, after uint64, limit int) ([]wirepost.Message, uint64, error)
	History(ctx context.Context, channel string, before uint64, limit int) ([]wirepost.Message, uint64, error)
	Presence(ctx context.Context, channel string) (wirepost.Presence, error)
	Users(context.Context, wirepost.ListQuery) ([]wirepost.UserEntry, string, error)
	Channels(context.Context, wirepost.ListQuery) ([]wirepost.ChannelEntry, string, error)
	Message(ctx context.Context, channel string, seq uint64) (wirepost.Message, []wirepost.Receipt, error)
	Escalation(ctx context.Context, channel string, seq uint64) (*wirepost.Escalation, error)

	ReadEvents(ctx context.Context, after uint64, limit int) ([]wirepost.Event, uint64, error)
	FollowEvents(ctx context.Context, after uint64) iter.Seq2[wirepost.Event, error]
	EventsWritten() bool
	EventStats(ctx context.Context, behind bool) wirepost.EventStats

	Stats() wirepost.Stats
	Trend() []wirepost.TrendPoint
	Store() *wirepost.StoreStats
	CountStored(ctx context.Context, most int) (users, channels int, err error)
	Top(n int) wirepost.Top
	Cluster() (engine.Cluster, bool)
	RepairCluster(ctx context.Context, abandon bool) (shards []int, err error)
	ForgetNode(ctx context.Context, node string) error
	Backup(ctx context.Context, w io.Writer) error
	Ready() error
	Alive() error
	MaxMessage() int
	Metrics() wirepost.Metrics
	CountRefusal(reason string)
	Refuse(w http.ResponseWriter, r *http.Request, err error)
}

// api handles the requests.
type api struct {
	srv      backend
	keys     keyring
	anyone   *knownKey // for requests without a key; nil: one is needed
	ready    func() error
	draining <-chan struct{}
	logger   *slog.Logger
	metrics  http.Handler
	hooks    HookSource // nil: there are none
	memory   *budget
	settings []Setting // nil: the program shows none

	maxData int // bytes of data in a message
	maxJSON int // bytes of a push in JSON
}
