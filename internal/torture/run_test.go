package torture

import (
	"bytes"
	"context"
	"crypto/tls"
	"encoding/json"
	"fmt"
	"io"
	"math/rand/v2"
	"net/http"
	"os"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/golang-jwt/jwt/v5"

	"github.com/wirepost/wirepost/client"
)

// target is a tested server. Its methods are called one at a time.
type target interface {
	// start starts or restarts it, and returns its address.
	start() string
	// kill stops it abruptly, drain as an operator does.
	kill()
	drain()
}

// run is one run against a target.
type run struct {
	t      *testing.T
	h      *history
	proxy  *proxy
	target target
	random *rand.Rand  // of the goroutine that drives the run
	tls    *tls.Config // nil: connections are plain
	bulk   bool        // with a stream of large messages without readers
	faulty bool        // the nodes have clocks apart, and their disks may be slow
	limits *limits     // of a cluster
	wiped  wiped

	mu     sync.Mutex
	tokens map[string]string
	failed []string
	// counts are the faults of a cluster, by name. They are of the goroutine that drives the
	// run, until that is over.
	counts map[string]int
	// refused are the pushes that were refused although they had an ID, by reason.
	refused map[string]int
}

// fail records a failure outside of the history.
func (r *run) fail(format string, args ...any) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.failed = append(r.failed, fmt.Sprintf(format, args...))
}

// token makes a user's token. It has no time of issue, which the clocks of some nodes would
// take for the future.
func (r *run) token(user string) string {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.tokens[user] == "" {
		token, err := jwt.NewWithClaims(jwt.SigningMethodHS256, jwt.MapClaims{
			"sub": user, "exp": time.Now().Add(24 * time.Hour).Unix(), "publish": []string{"room:*", "short:*"},
		}).SignedString([]byte(tokenSecret))
		if err != nil {
			panic(err)
		}
		r.tokens[user] = token
	}
	return r.tokens[user]
}

// url is the server's URL, through the proxy. Scheme is http or ws.
func (r *run) url(scheme string) string {
	if r.tls != nil {
		scheme += "s"
	}
	return scheme + "://" + r.proxy.address()
}

func (r *run) transport() *http.Transport {
	return &http.Transport{MaxIdleConnsPerHost: 8, TLSClientConfig: r.tls}
}

// refusals counts the pushes that a server refused for now.
type refusals struct {
	*http.Transport
	r *run
}

// RoundTrip implements http.RoundTripper.
func (t *refusals) RoundTrip(request *http.Request) (*http.Response, error) {
	response, err := t.Transport.RoundTrip(request)
	if err != nil || response.StatusCode != http.StatusServiceUnavailable || !strings.HasPrefix(request.URL.Path, "/v1/push") {
		return response, err
	}
	body, _ := io.ReadAll(io.LimitReader(response.Body, 4<<10)) //nolint:errcheck // what has come
	response.Body = struct {
		io.Reader
		io.Closer
	}{io.MultiReader(bytes.NewReader(body), response.Body), response.Body}
	var reason struct{ Detail string }
	if json.Unmarshal(body, &reason) != nil {
		reason.Detail = "unknown, the response was cut"
	}
	t.r.mu.Lock()
	defer t.r.mu.Unlock()
	t.r.refused[reason.Detail]++
	return response, nil
}

func (r *run) newBackend(url string) *client.Backend {
	p, err := client.NewBackend(url, client.BackendOptions{
		Key: apiKey, HTTP: &http.Client{Transport: &refusals{r.transport(), r}},
		MinWait: 2 * time.Millisecond, MaxWait: 50 * time.Millisecond,
	})
	if err != nil {
		r.t.Fatal(err)
	}
	return p
}

// memberships are those of the users; every user also has an inbox and all. Bare
// devices get no gaps, so the user with the channel that has gaps has no bare devices.
var memberships = map[string][]string{"a": {"room:1"}, "b": {"room:1"}, "g": {"room:1", "short:1"}}

// kinds are the ways of reading, by user.
var kinds = map[string]map[string]func(*reader, context.Context){
	"a": {
		"library": (*reader).library, "v1": (*reader).v1, "stalling": (*reader).stalling, "events": (*reader).events,
		"poll": (*reader).poll, "bare": (*reader).bare, "gobwas": (*reader).bareGobwas,
	},
	"b": {"library": (*reader).library, "bare": (*reader).bare, "gobwas": (*reader).bareGobwas, "poll": (*reader).poll},
	"g": {"library": (*reader).library, "v1": (*reader).v1, "stalling": (*reader).stalling, "events": (*reader).events, "poll": (*reader).poll},
}

var allChannels = []string{"user:a", "user:b", "user:g", "all", "room:1", "short:1"}

func (r *run) anyChannel(random *rand.Rand) string { return allChannels[random.IntN(len(allChannels))] }

// plan lists the faults of a target between its starts.
type plan struct {
	length time.Duration
	rounds int // how many faults there are; 0: as many as fit into the length
	// fault causes the next fault.
	fault func(r *run)
	calm  func(r *run) // ends the faults, at the end of the run
	// work starts what runs besides the publishers, until ctx is done.
	work func(ctx context.Context, wg *sync.WaitGroup)
	// last is called when everything is delivered, before the last check.
	last func()
}

// newRun makes a run whose random choices come from a seed.
func newRun(t *testing.T, seed uint64) *run {
	t.Helper()
	t.Logf("SEED=%d", seed)
	return &run{
		t: t, h: &history{start: time.Now()}, proxy: newProxy(t, seed), random: rand.New(rand.NewPCG(seed, 0)),
		tokens: make(map[string]string), counts: make(map[string]int), refused: make(map[string]int),
	}
}

// longest limits the faulty phase of one run: the backlog must be delivered at the end,
// and each seed should be quick to repeat.
const longest = 15 * time.Second

// torture makes one short run, or as many as fit in the duration TORTURE. Each has
// another seed; SEED sets the first one.
func torture(t *testing.T, short time.Duration, one func(r *run, length time.Duration) *report) {
	seed, total := seedOf(t), short
	var err error
	if text := os.Getenv("TORTURE"); text != "" {
		if total, err = time.ParseDuration(text); err != nil {
			t.Fatalf("TORTURE: %v", err)
		}
	}
	var sum report
	runs := 0
	for deadline := time.Now().Add(total); time.Now().Before(deadline) && !t.Failed(); runs++ {
		t.Run(fmt.Sprint(runs), func(t *testing.T) {
			sum.add(one(newRun(t, seed+uint64(runs)), min(longest, total)))
		})
	}
	t.Logf("%d runs, %v", runs, &sum)
	if sum.tally == nil || total < time.Minute {
		return
	}
	if sum.kicks == 0 {
		t.Error("no user was disconnected while nothing was disturbed")
	}
	if sum.outdated == 0 || sum.denied == 0 {
		t.Errorf("%d revocations of tokens while nothing was disturbed, %d tokens refused", sum.outdated, sum.denied)
	}
}

// seedOf returns SEED, or a new seed.
func seedOf(t *testing.T) uint64 {
	t.Helper()
	text := os.Getenv("SEED")
	if text == "" {
		return uint64(time.Now().UnixNano())
	}
	seed, err := strconv.ParseUint(text, 10, 64)
	if err != nil {
		t.Fatalf("SEED: %v", err)
	}
	return seed
}

// readers makes the devices.
func (r *run) readers() (all []*reader) {
	for _, user := range []string{"a", "b", "g"} {
		for way, once := range kinds[user] {
			d := device{
				name: user + "-" + way, user: user, plain: way == "bare" || way == "gobwas",
				channels: append([]string{"user:" + user, "all"}, memberships[user]...),
			}
			r.h.devices = append(r.h.devices, d)
			all = append(all, &reader{run: r, device: d, user: user, once: once})
		}
	}
	return all
}

// do runs a plan: all readers connect, then publishers push while faults happen, and in
// the end, without faults, everything must be delivered.
func (r *run) do(p plan) *report {
	r.t.Helper()
	if r.target != nil {
		r.proxy.turn(r.target.start())
	}
	backend := r.newBackend(r.url("http"))
	for user, channels := range memberships {
		for _, channel := range channels {
			if _, err := backend.Join(r.t.Context(), user, channel); err != nil {
				r.t.Fatal(err)
			}
		}
	}
	reading, leave := context.WithCancel(r.t.Context())
	var readers sync.WaitGroup
	defer func() { leave(); readers.Wait() }()
	r.connectAll(reading, &readers)
	r.pushEverywhere(backend, "first")
	r.settle("the first messages")

	publishing, stop := context.WithCancel(r.t.Context())
	var publishers sync.WaitGroup
	defer func() { stop(); publishers.Wait() }()
	r.publish(publishing, &publishers)
	if p.work != nil {
		p.work(publishing, &publishers)
	}
	r.proxy.wild(true)
	rounds := 0
	deadline := time.Now().Add(p.length)
	goesOn := func() bool {
		if p.rounds > 0 {
			return rounds < p.rounds
		}
		return time.Now().Before(deadline)
	}
	for ; goesOn() && !r.broken(); rounds++ {
		r.progress()
		p.fault(r)
	}
	r.proxy.wild(false)
	if p.calm != nil {
		p.calm(r)
	}
	stop()
	publishers.Wait()
	r.pushEverywhere(backend, "last")
	report := r.settle("the last messages")
	leave()
	readers.Wait()
	if p.last != nil && !r.t.Failed() {
		p.last()
		if report = r.check(); len(report.violations) > 0 {
			r.t.Errorf("at the end: %s", report)
			r.explain(r.h.snapshot(), report)
		}
	}
	r.allReleased(backend)
	r.log(report, rounds)
	return report
}

// connectAll starts the readers, and waits until each has connected once: from then on
// the server knows their devices.
func (r *run) connectAll(ctx context.Context, wg *sync.WaitGroup) {
	r.t.Helper()
	var connecting sync.WaitGroup
	for i, one := range r.readers() {
		one.random = rand.New(rand.NewPCG(r.random.Uint64(), uint64(i)))
		connecting.Add(1)
		one.connected = sync.OnceFunc(connecting.Done)
		wg.Go(func() {
			one.loop(ctx)
			if one.polls != nil {
				one.polls.CloseIdleConnections()
			}
		})
	}
	done := make(chan struct{})
	go func() { connecting.Wait(); close(done) }()
	select {
	case <-done:
	case <-time.After(patience):
		r.t.Fatalf("not all readers could connect: %v", r.failed)
	}
}

func (r *run) publish(ctx context.Context, wg *sync.WaitGroup) {
	for name, push := range map[string]func(*publisher, context.Context){
		"single": (*publisher).singles, "single2": (*publisher).singles, "several": (*publisher).several,
		"raw": (*publisher).raw, "stream": (*publisher).stream,
		"keyed": (*publisher).keyed, "fading": (*publisher).fading, "v1": (*publisher).publishing,
		"bulk": (*publisher).bulk,
	} {
		if name == "bulk" && !r.bulk {
			continue
		}
		p := &publisher{run: r, name: name, random: rand.New(rand.NewPCG(r.random.Uint64(), 3)), backend: r.newBackend(r.url("http"))}
		wg.Go(func() { push(p, ctx) })
	}
}

// pushEverywhere pushes one message to each channel.
func (r *run) pushEverywhere(backend *client.Backend, id string) {
	r.t.Helper()
	ctx, cancel := context.WithTimeout(r.t.Context(), patience)
	defer cancel()
	for _, channel := range allChannels {
		p := &publisher{run: r, name: id + "-" + channel}
		id := p.next(channel)
		got, err := backend.Push(ctx, client.Push{To: channel, ID: id, Data: []byte(payload(id))})
		if err != nil {
			r.t.Fatalf("push to %s: %v", channel, err)
		}
		p.confirmed(id, channel, got.Seq)
	}
}

// progress waits until more messages have been received, or none arrive for a moment.
func (r *run) progress() {
	goal := r.h.now() + 200 + r.random.IntN(4000)
	look := time.NewTicker(5 * time.Millisecond)
	defer look.Stop()
	for give := time.Now().Add(time.Second); r.h.now() < goal && time.Now().Before(give); {
		<-look.C
	}
}

// settle waits until every reader has received all confirmed pushes.
func (r *run) settle(what string) *report {
	r.t.Helper()
	look := time.NewTicker(100 * time.Millisecond)
	defer look.Stop()
	end := time.Now().Add(4 * patience)
	for give, came := time.Now().Add(patience), 0; ; <-look.C {
		found := r.check()
		if found.deliveries > came { // while messages arrive, the rest may as well
			give, came = time.Now().Add(patience), found.deliveries
		}
		if len(found.violations) == 0 {
			return found
		}
		late := time.Now().After(give) || time.Now().After(end)
		for _, v := range found.violations {
			late = late || v.rule != ruleLost
		}
		if late {
			r.t.Errorf("%s: %s", what, found)
			r.explain(r.h.snapshot(), found)
			return found
		}
	}
}

func (r *run) check() *report { return checkCluster(r.h.devices, r.h.snapshot(), true, r.limits) }

// explain prints the first violations, and the events around the first one.
func (r *run) explain(events []event, found *report) {
	for i, v := range found.violations {
		if i == 10 {
			r.t.Errorf("and %d more", len(found.violations)-i)
			break
		}
		r.t.Error(v)
	}
	r.t.Log("disturbances: ", timeline(events))
	r.t.Log("the history ends with")
	for i := max(0, len(events)-10); i < len(events); i++ {
		r.t.Log(i, events[i])
	}
}

func (r *run) broken() bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	return len(r.failed) > 0
}

// allReleased checks that the readers' sessions are released.
func (r *run) allReleased(backend *client.Backend) {
	r.t.Helper()
	look := time.NewTicker(20 * time.Millisecond)
	defer look.Stop()
	for give := time.Now().Add(patience); ; <-look.C {
		online := 0
		for user := range memberships {
			info, err := backend.User(r.t.Context(), user)
			if err != nil {
				r.t.Fatal(err)
			}
			online += info.Online
		}
		if online == 0 {
			return
		}
		if time.Now().After(give) {
			r.t.Errorf("%d sessions are left", online)
			return
		}
	}
}

func (r *run) log(found *report, rounds int) {
	r.t.Helper()
	r.mu.Lock()
	defer r.mu.Unlock()
	if len(r.failed) > 0 {
		r.t.Error(strings.Join(r.failed[:min(len(r.failed), 10)], "\n"))
	}
	r.t.Logf("%d rounds, %d connections cut, %v", rounds, r.proxy.cuts(), found)
}

// restart stops the server, and starts it again.
func (r *run) restart(kill bool) {
	if kill {
		r.h.add(event{kind: crash})
		r.target.kill()
		r.h.add(event{kind: crash})
	} else {
		r.target.drain()
	}
	r.proxy.turn(r.target.start())
}
