package torture

import (
	"bytes"
	"compress/flate"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"net/http"
	"os"
	"slices"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/gobwas/ws"
	"github.com/gorilla/websocket"

	"github.com/wirepost/wirepost"
	"github.com/wirepost/wirepost/auth"
	"github.com/wirepost/wirepost/client"
)

// attack is a hostile behavior of clients. It lasts until the context is canceled, and
// has closed its connections when it returns.
type attack struct {
	name  string
	unit  string // the unit of ops
	flags []string
	// long is the duration of the full attack, until the server's defense shows.
	long time.Duration
	do   func(a *assault, ctx context.Context)
}

var attacks = []attack{
	{"nothing", "", nil, 0, func(_ *assault, ctx context.Context) { <-ctx.Done() }},
	{"hostile frames, 1000 a second, each on a new connection", "frames", nil, 0, (*assault).hostileFrames},
	{"handshakes at the highest rate, by 8 clients", "handshakes", nil, 0, (*assault).connectFlood},
	{"handshakes without a token", "requests", nil, 0, (*assault).refusedFlood},
	{"3000 TCP connections that send nothing", "connections", nil, 12 * time.Second, (*assault).saysNothing},
	{"500 handshakes that trickle in", "connections", nil, 12 * time.Second, (*assault).slowLoris},
	{"300 sessions that never read, and 32 KB messages to all of them", "MB not read", nil, 0, (*assault).slowReaders},
	{"pings at the highest rate by 8 clients that read no pongs", "pings", nil, 0, (*assault).pingFlood},
	{"200 messages in fragments that never end", "fragments", nil, 0, (*assault).hugeFragments},
	{"fragments of one byte and of none, by 4 clients", "fragments", nil, 0, (*assault).tinyFragments},
	{"compressed messages that inflate 600 times, by 4 clients", "messages", []string{"--compress"}, 0, (*assault).bombs},
	{"compressed messages that inflate beyond the limit", "messages", []string{"--compress"}, 0, (*assault).biggerBombs},
	{"subscribe and unsubscribe at the highest rate, by 8 clients", "commands", nil, 0, (*assault).subscribeFlood},
	{"the same with --message-rate 100", "commands", []string{"--message-rate", "100"}, 0, (*assault).subscribeFlood},
	{"ack, read and publish at the highest rate, by 8 clients", "commands", nil, 0, (*assault).commandFlood},
	{"commands whose responses are not read", "commands", nil, 0, (*assault).responsesUnread},
	{"500 sessions that fall silent (heartbeat 1 s)", "sessions", []string{"--heartbeat", "1s"}, 9 * time.Second, (*assault).silent},
	{"one user with device after device", "requests", nil, 0, (*assault).manyDevices},
	{"1000 sessions that drop and reconnect together", "reconnects", nil, 0, (*assault).reconnectStorm},
}

// TestAttack measures each attack: its cost for the server, and its effect on other
// users. The attackers run on the same machine, so part of that effect is theirs. In
// full, with ATTACK=5s, each attack takes that long.
func TestAttack(t *testing.T) {
	long := 50 * time.Millisecond
	full := os.Getenv("ATTACK") != ""
	if full {
		var err error
		if long, err = time.ParseDuration(os.Getenv("ATTACK")); err != nil {
			t.Fatal(err)
		}
	}
	var rows []string
	for _, at := range attacks {
		t.Run(at.name, func(t *testing.T) {
			d := long
			if full {
				d = max(d, at.long)
			}
			rows = append(rows, suffer(t, &at, d))
		})
	}
	t.Logf("| attack | done | CPU, without that for other users | memory | others: p50, p99, worst delivery |\n%s", strings.Join(rows, "\n"))
}

// assault is a running attack.
type assault struct {
	t     testing.TB
	host  string
	ops   atomic.Int64
	wg    sync.WaitGroup
	users atomic.Int64
	push  *client.Backend
}

// othersCPU is the CPU share of the other users alone.
var othersCPU float64

// suffer runs an attack and returns its row.
func suffer(t *testing.T, at *attack, d time.Duration) string {
	p := newProcess(t)
	p.more = append([]string{"--heartbeat", "25s", "--window", "256", "--ack-delay", "1s"}, at.flags...)
	a := &assault{t: t, host: p.start()}
	transport := &http.Transport{MaxIdleConnsPerHost: 4}
	defer transport.CloseIdleConnections()
	var err error
	if a.push, err = client.NewBackend("http://"+a.host, client.BackendOptions{Key: apiKey, HTTP: &http.Client{Transport: transport}}); err != nil {
		t.Fatal(err)
	}
	others := a.bystanders()
	others.wait(t, 20)
	before := usageOf(t, p.cmd.Process.Pid)
	others.reset()

	ctx, cancel := context.WithTimeout(t.Context(), d)
	defer cancel()
	peak := watchMemory(t, ctx, p.cmd.Process.Pid)
	at.do(a, ctx)
	a.wg.Wait()
	after, most := usageOf(t, p.cmd.Process.Pid), <-peak
	others.wait(t, 20) // the other users still get messages
	noticed := others.end(t)
	a.allLeft()
	grown := (max(most, after.memory) - before.memory) >> 20
	if grown > 200 {
		t.Errorf("the server grew by %d MB", grown)
	}
	cpu := after.cpu - before.cpu
	if at.unit == "" {
		othersCPU = float64(cpu) / float64(d)
	}
	cpu -= time.Duration(othersCPU * float64(d)).Round(10 * time.Millisecond)
	row := fmt.Sprintf("| %s | %d %s in %s | %s | +%d MB | %s |", at.name, a.ops.Load(), at.unit, d, cpu, grown, noticed)
	if n := a.ops.Load(); n > 0 {
		row += fmt.Sprintf(" %s each", (cpu / time.Duration(n)).Round(10*time.Nanosecond))
	}
	t.Log(row)
	return row
}

// usage is the resource usage of a process.
type usage struct {
	cpu    time.Duration
	memory int64 // resident, in bytes
}

func usageOf(t testing.TB, pid int) (u usage) {
	t.Helper()
	stat, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	if err != nil {
		t.Fatalf("the server has exited: %v", err)
	}
	// After the name, which may contain anything, the fields are numbers (proc(5)).
	fields := strings.Fields(string(stat[bytes.LastIndexByte(stat, ')')+1:]))
	const utime, stime, rss, tick = 11, 12, 21, 10 * time.Millisecond
	number := func(i int) int64 {
		n, err := strconv.ParseInt(fields[i], 10, 64)
		if err != nil {
			t.Fatal(err)
		}
		return n
	}
	return usage{time.Duration(number(utime)+number(stime)) * tick, number(rss) * int64(os.Getpagesize())}
}

// watchMemory returns the peak memory of a process until the context is canceled.
func watchMemory(t testing.TB, ctx context.Context, pid int) <-chan int64 {
	peak := make(chan int64, 1)
	go func() {
		look := time.NewTicker(20 * time.Millisecond)
		defer look.Stop()
		most := int64(0)
		for ctx.Err() == nil {
			most = max(most, usageOf(t, pid).memory)
			select {
			case <-look.C:
			case <-ctx.Done():
			}
		}
		peak <- most
	}()
	return peak
}

// bystanders are ordinary users, to whom a message is pushed every few milliseconds.
type bystanders struct {
	a           *assault
	stop, leave context.CancelFunc // of the publishers, and of the readers
	pushing     sync.WaitGroup
	reading     sync.WaitGroup

	mu     sync.Mutex
	pushed map[string]int // by user
	got    map[string]int
	took   []time.Duration
	wrong  error
}

const manyBystanders = 20

func (a *assault) bystanders() *bystanders {
	ctx, leave := context.WithCancel(a.t.Context())
	pushing, stop := context.WithCancel(ctx)
	b := &bystanders{a: a, stop: stop, leave: leave, pushed: make(map[string]int), got: make(map[string]int)}
	for i := range manyBystanders {
		user := fmt.Sprint("user", i)
		c, err := client.Dial(ctx, "ws://"+a.host+"/ws", client.Options{Token: client.StaticToken(a.token(user))})
		if err != nil {
			a.t.Fatal(err)
		}
		b.reading.Go(func() {
			defer c.Close()
			for m, err := range c.Messages(ctx) {
				b.take(ctx, user, m, err)
			}
		})
	}
	b.pushing.Go(func() {
		every := time.NewTicker(5 * time.Millisecond)
		defer every.Stop()
		for i := 0; pushing.Err() == nil; i++ {
			b.push(ctx, fmt.Sprint("user", i%manyBystanders))
			select {
			case <-every.C:
			case <-pushing.Done():
			}
		}
	})
	return b
}

func (b *bystanders) push(ctx context.Context, user string) {
	b.mu.Lock()
	n := b.pushed[user] + 1
	b.pushed[user] = n
	b.mu.Unlock()
	data := fmt.Appendf(nil, `[%d,%d]`, n, time.Now().UnixNano())
	if _, err := b.a.push.Push(ctx, client.Push{To: "user:" + user, Data: data}); err != nil && ctx.Err() == nil {
		b.fail(err)
	}
}

func (b *bystanders) fail(err error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.wrong = errors.Join(b.wrong, err)
}

func (b *bystanders) take(ctx context.Context, user string, m *client.Message, err error) {
	if err != nil {
		if ctx.Err() == nil {
			b.fail(err)
		}
		return
	}
	var data [2]int64
	if err := json.Unmarshal(m.Data, &data); err != nil {
		b.fail(err)
		return
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.got[user]++; int64(b.got[user]) != data[0] {
		b.wrong = errors.Join(b.wrong, fmt.Errorf("%s got %d as the %dth", user, data[0], b.got[user]))
	}
	b.took = append(b.took, time.Since(time.Unix(0, data[1])))
}

// wait waits until n more messages have been received.
func (b *bystanders) wait(t testing.TB, n int) {
	t.Helper()
	count := func() int { b.mu.Lock(); defer b.mu.Unlock(); return len(b.took) }
	goal := count() + n
	look := time.NewTicker(time.Millisecond)
	defer look.Stop()
	for give := time.Now().Add(patience); count() < goal; <-look.C {
		if time.Now().After(give) {
			t.Fatalf("the other users no longer get messages: %d of %d", count(), goal)
		}
	}
}

// missing is the number of messages that have not been received yet.
func (b *bystanders) missing() (n int) {
	b.mu.Lock()
	defer b.mu.Unlock()
	for user, pushed := range b.pushed {
		n += pushed - b.got[user]
	}
	return n
}

func (b *bystanders) reset() {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.took = nil
}

// end checks that no message was lost, and formats the delivery times.
func (b *bystanders) end(t testing.TB) string {
	t.Helper()
	b.stop()
	b.pushing.Wait()
	look := time.NewTicker(time.Millisecond)
	defer look.Stop()
	for give := time.Now().Add(patience); b.missing() > 0 && time.Now().Before(give); {
		<-look.C
	}
	b.leave()
	b.reading.Wait()
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.wrong != nil {
		t.Errorf("the other users: %v", b.wrong)
	}
	for user, n := range b.pushed {
		if n != b.got[user] {
			t.Errorf("%s got %d of %d", user, b.got[user], n)
		}
	}
	slices.Sort(b.took)
	at := func(p float64) time.Duration {
		return b.took[int(p*float64(len(b.took)-1))].Round(10 * time.Microsecond)
	}
	return fmt.Sprintf("%s, %s, %s, lost 0", at(0.5), at(0.99), at(1))
}

// allLeft waits until the server has no connections.
func (a *assault) allLeft() {
	a.t.Helper()
	look := time.NewTicker(10 * time.Millisecond)
	defer look.Stop()
	connections := -1
	for give := time.Now().Add(patience); time.Now().Before(give); <-look.C {
		r, err := http.NewRequestWithContext(a.t.Context(), http.MethodGet, "http://"+a.host+"/v1/stats", nil)
		if err != nil {
			a.t.Fatal(err)
		}
		r.Close = true
		r.Header.Set("Authorization", "Bearer "+apiKey)
		response, err := http.DefaultClient.Do(r)
		if err != nil {
			a.t.Fatal(err)
		}
		var stats struct{ Connections int }
		err = json.NewDecoder(response.Body).Decode(&stats)
		response.Body.Close()
		if connections = stats.Connections; err == nil && connections == 0 {
			return
		}
	}
	a.t.Errorf("%d connections are left", connections)
}

func (a *assault) token(user string) string {
	token, err := auth.Sign(tokenSecret, wirepost.Identity{
		User: user, Subscribe: []string{"*"}, Publish: []string{"*"}, Expires: time.Now().Add(time.Hour),
	})
	if err != nil {
		panic(err)
	}
	return token
}

const (
	v1Protocol   = "Sec-WebSocket-Protocol: wirepost.v1\r\n"
	deflateOffer = "Sec-WebSocket-Extensions: permessage-deflate\r\n"
)

// request is a handshake of a new user.
func (a *assault) request(query, more string) string {
	user := fmt.Sprint("mallory", a.users.Add(1))
	return upgradeRequest(a.host, "token="+a.token(user)+query, more)
}

// open connects, and reads the response.
func (a *assault) open(request string) *raw {
	c, err := dialTCP(a.host, request)
	if err != nil {
		return nil
	}
	if err := c.readResponse(); err != nil {
		c.Close()
		return nil
	}
	return c
}

// each runs a function in n goroutines until the context is canceled. The connections
// passed to hold are closed then, so that no goroutine waits for the server.
func (a *assault) each(ctx context.Context, n int, do func(hold func(*raw) *raw)) {
	for range n {
		a.wg.Go(func() {
			hold := func(c *raw) *raw {
				if c != nil {
					context.AfterFunc(ctx, func() { hangUp(c, true) })
				}
				return c
			}
			for ctx.Err() == nil {
				do(hold)
			}
		})
	}
}

// write sends bytes repeatedly until the connection is closed.
func (a *assault) write(c *raw, batch []byte, ops int) {
	if c == nil {
		return
	}
	for {
		if _, err := c.Write(batch); err != nil {
			c.Close()
			return
		}
		a.ops.Add(int64(ops))
	}
}

// hostile returns frames and bytes that break RFC 6455, or try to.
func hostile(random *rand.Rand) []byte {
	frames := [][]byte{
		{0x81, 1, 'x'},
		{0xF1, 0x80, 0, 0, 0, 0},
		{0x83, 0x80, 0, 0, 0, 0},
		{0x89, 0xFE, 0, 126},
		{0x09, 0x80, 0, 0, 0, 0},
		{0x80, 0x80, 0, 0, 0, 0},
		{0x82, 0xFF, 0x7F, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0, 0, 0, 0},
		{0x82, 0xFF, 0x80, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0},
		{0x88, 0x81, 0, 0, 0, 0, 3},
		masked(ws.OpText, true, "\xFF\xFE"),
		masked(ws.OpClose, true, "\x03\xED"), masked(ws.OpText, true, `{"type":`), masked(ws.OpText, true, strings.Repeat("[", 60000)),
		masked(ws.OpBinary, true, "\x00"), masked(ws.OpText, false, "x"),
		{0x81, 0xFE, 0, 1, 0, 0, 0, 0, 0},
	}
	if random.IntN(4) == 0 {
		noise := make([]byte, random.IntN(4096))
		for i := range noise {
			noise[i] = byte(random.Uint32())
		}
		return noise
	}
	return frames[random.IntN(len(frames))]
}

func (a *assault) hostileFrames(ctx context.Context) {
	every := time.NewTicker(time.Millisecond)
	defer every.Stop()
	turns := make(chan struct{}, 16)
	for range 8 {
		a.wg.Go(func() {
			random := rand.New(rand.NewPCG(7, rand.Uint64()))
			for range turns {
				if c := a.open(a.request("", []string{"", v1Protocol}[random.IntN(2)])); c != nil {
					c.Write(hostile(random)) //nolint:errcheck // it may be closed
					a.ops.Add(1)
					if random.IntN(2) == 0 {
						c.SetReadDeadline(time.Now().Add(50 * time.Millisecond)) //nolint:errcheck // it is closed
						io.Copy(io.Discard, c.in)                                //nolint:errcheck // until the end or the deadline
					}
					c.Close()
				}
			}
		})
	}
	for ctx.Err() == nil {
		select {
		case <-every.C:
			select {
			case turns <- struct{}{}:
			default:
			}
		case <-ctx.Done():
		}
	}
	close(turns)
}

func (a *assault) connectFlood(ctx context.Context) {
	a.each(ctx, 8, func(func(*raw) *raw) {
		if c := a.open(a.request("", v1Protocol)); c != nil {
			hangUp(c, true)
			a.ops.Add(1)
		}
	})
}

func (a *assault) refusedFlood(ctx context.Context) {
	a.each(ctx, 8, func(func(*raw) *raw) {
		if c, err := dialTCP(a.host, upgradeRequest(a.host, "token=no.such.token", "")); err == nil {
			if err := c.readResponse(); err == nil {
				a.t.Error("a bad token was accepted")
			}
			hangUp(c, true)
			a.ops.Add(1)
		}
	})
}

func (a *assault) saysNothing(ctx context.Context) {
	a.hold(ctx, 3000, func() (*raw, error) { return dialTCP(a.host, "GET /ws") })
}

// hold opens connections and waits until the server has closed them, if the time
// allows.
func (a *assault) hold(ctx context.Context, n int, open func() (*raw, error)) {
	var all []*raw
	for range n {
		if c, err := open(); err == nil && ctx.Err() == nil {
			all = append(all, c)
			a.ops.Add(1)
		}
	}
	began, last := time.Now(), time.Duration(0)
	ended := 0
	for _, c := range all {
		if until, ok := ctx.Deadline(); ok {
			c.SetReadDeadline(until) //nolint:errcheck // the read fails
		}
		if _, err := io.Copy(io.Discard, c.in); !errors.Is(err, os.ErrDeadlineExceeded) {
			ended++
			last = time.Since(began)
		}
		c.Close()
	}
	a.t.Logf("%d of %d were closed by the server, the last after %s", ended, len(all), last.Round(time.Millisecond))
}

func (a *assault) slowLoris(ctx context.Context) {
	request := a.request("", "X-Padding: "+strings.Repeat("x", 4000)+"\r\n")
	var all []*raw
	for range 500 {
		if c, err := dialTCP(a.host, request[:100]); err == nil {
			all = append(all, c)
			a.ops.Add(1)
		}
	}
	every := time.NewTicker(200 * time.Millisecond)
	defer every.Stop()
	began, ended, last := time.Now(), make(map[*raw]bool), time.Duration(0)
	for n := 100; ctx.Err() == nil; n++ {
		for _, c := range all {
			if _, err := c.Write([]byte(request[n : n+1])); err != nil && !ended[c] {
				ended[c], last = true, time.Since(began)
			}
		}
		select {
		case <-every.C:
		case <-ctx.Done():
		}
	}
	for _, c := range all {
		c.Close()
	}
	a.t.Logf("%d of %d were closed by the server, the last after %s", len(ended), len(all), last.Round(time.Millisecond))
}

func (a *assault) slowReaders(ctx context.Context) {
	var all []*raw
	for range 300 {
		c, err := dialSmall(a.host, a.request("&channels=flood", v1Protocol))
		if err != nil || c.readResponse() != nil {
			continue
		}
		all = append(all, c)
	}
	data := []byte(`"` + strings.Repeat("x", 32<<10) + `"`)
	for ctx.Err() == nil {
		if _, err := a.push.Push(ctx, client.Push{To: "flood", Data: data}); err == nil {
			a.ops.Add(int64(len(all)) * int64(len(data)) >> 20)
		}
	}
	for _, c := range all {
		hangUp(c, true)
	}
}

// dialSmall connects with a small receive buffer.
func dialSmall(host, request string) (*raw, error) {
	c, err := dialTCP(host, request)
	if err == nil {
		err = c.Conn.(*net.TCPConn).SetReadBuffer(4 << 10)
	}
	return c, err
}

func (a *assault) pingFlood(ctx context.Context) {
	batch := bytes.Repeat(masked(ws.OpPing, true, strings.Repeat("p", 125)), 400)
	a.each(ctx, 8, func(hold func(*raw) *raw) { a.write(hold(a.open(a.request("", ""))), batch, 400) })
}

func (a *assault) hugeFragments(ctx context.Context) {
	var all []*raw
	for range 200 {
		c := a.open(a.request("", ""))
		if c == nil {
			continue
		}
		all = append(all, c)
		op := ws.OpBinary
		for range 97 {
			if _, err := c.Write(masked(op, false, strings.Repeat("x", 1000))); err != nil {
				break
			}
			a.ops.Add(1)
			op = ws.OpContinuation
		}
	}
	<-ctx.Done()
	for _, c := range all {
		hangUp(c, true)
	}
}

func (a *assault) tinyFragments(ctx context.Context) {
	begin := masked(ws.OpBinary, false, "")
	empty := bytes.Repeat(masked(ws.OpContinuation, false, ""), 2000)
	one := append(bytes.Repeat(masked(ws.OpContinuation, false, "x"), 2000), masked(ws.OpContinuation, true, "")...)
	one = append(bytes.Clone(begin), one...)
	a.each(ctx, 2, func(hold func(*raw) *raw) {
		if c := hold(a.open(a.request("", ""))); c != nil {
			c.Write(begin) //nolint:errcheck // the next write fails
			a.write(c, empty, 2000)
		}
	})
	a.each(ctx, 2, func(hold func(*raw) *raw) { a.write(hold(a.open(a.request("", ""))), one, 2000) })
}

// squeezed is a compressed text message of n spaces.
func squeezed(n int) []byte {
	var b bytes.Buffer
	w, _ := flate.NewWriter(&b, flate.BestCompression)
	w.Write(bytes.Repeat([]byte(" "), n)) //nolint:errcheck // to memory
	w.Flush()                             //nolint:errcheck // to memory
	f := ws.NewFrame(ws.OpText, true, bytes.TrimSuffix(b.Bytes(), []byte("\x00\x00\xff\xff")))
	f.Header.Rsv = ws.Rsv(true, false, false)
	return ws.MustCompileFrame(ws.MaskFrameInPlace(f))
}

func (a *assault) bombs(ctx context.Context) {
	batch := bytes.Repeat(squeezed(64<<10), 50)
	a.each(ctx, 4, func(hold func(*raw) *raw) { a.write(hold(a.open(a.request("", deflateOffer))), batch, 50) })
}

func (a *assault) biggerBombs(ctx context.Context) {
	bomb := squeezed(10 << 20)
	a.each(ctx, 4, func(hold func(*raw) *raw) {
		if c := a.open(a.request("", deflateOffer)); c != nil {
			c.Write(bomb)             //nolint:errcheck // it is refused by its length, perhaps early
			io.Copy(io.Discard, c.in) //nolint:errcheck // up to the close frame and the end
			hangUp(c, true)
			a.ops.Add(1)
		}
	})
}

// commands sends commands of wirepost.v1 at the highest rate, and reads the output.
func (a *assault) commands(ctx context.Context, n int, next func(i int) string) {
	a.each(ctx, n, func(hold func(*raw) *raw) {
		c := hold(a.open(a.request("", v1Protocol)))
		if c == nil {
			return
		}
		a.wg.Go(func() { io.Copy(io.Discard, c.in) }) //nolint:errcheck // until it is closed
		c.SetDeadline(time.Time{})                    //nolint:errcheck // the context ends it
		for i := 0; ; {
			var batch []byte
			for range 50 {
				batch = append(batch, masked(ws.OpText, true, next(i))...)
				i++
			}
			if _, err := c.Write(batch); err != nil {
				c.Close()
				return
			}
			a.ops.Add(50)
		}
	})
}

func (a *assault) subscribeFlood(ctx context.Context) {
	a.commands(ctx, 8, func(i int) string {
		return fmt.Sprintf(`{"type":%q,"ref":%d,"channel":"made-up-%d"}`, []string{"subscribe", "unsubscribe"}[i%2], i, i/2)
	})
}

func (a *assault) commandFlood(ctx context.Context) {
	a.commands(ctx, 8, func(i int) string {
		return []string{
			`{"type":"ack","channel":"all","seq":1}`, `{"type":"read","channel":"all","seq":1}`,
			`{"type":"ack","channel":"none","seq":1}`, fmt.Sprintf(`{"type":"publish","ref":%d,"to":"room","data":1}`, i),
		}[i%4]
	})
}

func (a *assault) responsesUnread(ctx context.Context) {
	batch := bytes.Repeat(masked(ws.OpText, true, `{"type":"ack","channel":"none","seq":1}`), 400)
	a.each(ctx, 8, func(hold func(*raw) *raw) { a.write(hold(a.open(a.request("", v1Protocol))), batch, 400) })
}

func (a *assault) silent(ctx context.Context) {
	a.hold(ctx, 500, func() (*raw, error) {
		c := a.open(a.request("", ""))
		if c == nil {
			return nil, net.ErrClosed
		}
		return c, nil
	})
}

func (a *assault) manyDevices(ctx context.Context) {
	token := a.token("mallory")
	a.each(ctx, 8, func(hold func(*raw) *raw) {
		n := a.ops.Add(1)
		if c := a.open(upgradeRequest(a.host, fmt.Sprintf("token=%s&device=d%d", token, n), v1Protocol)); c != nil {
			if n%2 == 0 {
				hold(c)
				return
			}
			hangUp(c, false)
		}
	})
}

func (a *assault) reconnectStorm(ctx context.Context) {
	requests := make([]string, 1000)
	for i := range requests {
		requests[i] = a.request("", v1Protocol)
	}
	for ctx.Err() == nil {
		var storm sync.WaitGroup
		for part := range slices.Chunk(requests, 50) {
			storm.Go(func() {
				var all []*raw
				for _, request := range part {
					if c := a.open(request); c != nil {
						all = append(all, c)
						a.ops.Add(1)
					}
				}
				for _, c := range all {
					hangUp(c, true)
				}
			})
		}
		storm.Wait()
	}
}

// TestHostileFrames sends a thousand hostile frames a second to a server with other
// users, in this process, with the race detector.
func TestHostileFrames(t *testing.T) {
	s, host := newServer(t, nil)
	d := websocket.Dialer{}
	c, _, err := d.Dial("ws://"+host+"/ws?user=42", nil)
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	random := rand.New(rand.NewPCG(1, 2))
	for n := range 1000 {
		bad := dialRaw(t, host, upgradeRequest(host, "user=bad", []string{"", v1Protocol}[n%2]), true)
		bad.Write(hostile(random)) //nolint:errcheck // it may be closed
		if n%10 == 0 {
			if _, err := s.Push(t.Context(), wirepost.Push{To: "user:42", Data: fmt.Append(nil, n)}); err != nil {
				t.Fatal(err)
			}
			if _, got, err := c.ReadMessage(); err != nil || string(got) != fmt.Sprint(n) {
				t.Fatalf("got %s, %v, want %d", got, err, n)
			}
		}
		hangUp(bad, n%3 == 0)
	}
}
