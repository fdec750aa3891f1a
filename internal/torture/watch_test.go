package torture

import (
	"context"
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"net/http"
	"sync"
	"sync/atomic"
	"time"

	"github.com/gorilla/websocket"

	"github.com/wirepost/wirepost/client"
	"github.com/wirepost/wirepost/engine/cluster"
)

// watched is a cluster of which the nodes are asked directly, for the rules of clusters.
type watched struct {
	*run
	fronts     []*front
	kicking    sync.Mutex    // a user is disconnected once at a time
	generation atomic.Uint64 // of the newest tokens, see revoke
}

// probeChannels are channels for messages that show that the nodes are live: one in each
// shard, of which there are 4 or less. Their members are users, one for each node.
var probeChannels = func() (all []string) {
	const shards = 4
	for i := 0; len(all) < shards; i++ {
		if name := fmt.Sprint("probe", i); cluster.ShardOf(name, shards) == len(all) {
			all = append(all, name)
		}
	}
	return all
}()

// prepare makes the members.
func (w *watched) prepare(ctx context.Context) error {
	backend := w.newBackend(w.run.url("http"))
	for _, f := range w.fronts {
		for _, channel := range probeChannels {
			if _, err := backend.Join(ctx, "probe-"+f.name, channel); err != nil {
				return err
			}
		}
	}
	return nil
}

// work starts everything that runs besides the publishers.
func (w *watched) work(ctx context.Context, wg *sync.WaitGroup) {
	p := &prober{watched: w, seen: make(map[string]map[delivery]bool)}
	for _, f := range w.fronts {
		wg.Go(func() { p.receive(ctx, f) })
		wg.Go(func() { p.send(ctx, f) })
		random := rand.New(rand.NewPCG(w.random.Uint64(), 5))
		wg.Go(func() { w.mark(ctx, f, random) })
		wg.Go(func() { w.observe(ctx, f) })
		bearing := rand.New(rand.NewPCG(w.random.Uint64(), 9))
		wg.Go(func() { w.bear(ctx, f, bearing) })
	}
	random := rand.New(rand.NewPCG(w.random.Uint64(), 6))
	wg.Go(func() { w.kick(ctx, random) })
	revoking := rand.New(rand.NewPCG(w.random.Uint64(), 10))
	wg.Go(func() { w.revoke(ctx, revoking) })
}

// prober pushes messages to every node and waits for them on all.
type prober struct {
	*watched

	mu   sync.Mutex
	seen map[string]map[delivery]bool // by id
}

// delivery is that of a message in a channel by a node.
type delivery struct{ node, channel string }

// receive reads from a node until ctx is done. It acknowledges each message at once and
// connects again at once, whatever a node asks for.
func (p *prober) receive(ctx context.Context, f *front) {
	for ; ctx.Err() == nil; wait(ctx, 20*time.Millisecond) {
		f.session(ctx, p.token("probe-"+f.name), func() {}, func(m nodeFrame) { //nolint:errcheck // it is tried again
			p.mu.Lock()
			defer p.mu.Unlock()
			if of := p.seen[m.ID]; of != nil {
				of[delivery{f.name, m.Channel}] = true
			}
		})
	}
}

// nodeFrame is a frame with the ID of the message.
type nodeFrame struct {
	frame
	ID string
}

// session connects to a node with a token, and reads until it ends. It acknowledges each
// message at once. The status of the handshake is 0 if there was no response.
func (f *front) session(ctx context.Context, token string, began func(), take func(nodeFrame)) (status int) {
	d := websocket.Dialer{HandshakeTimeout: 10 * time.Second, Subprotocols: []string{"wirepost.v1"}}
	c, response, err := d.DialContext(ctx, f.url("ws")+"/ws?token="+token, nil)
	if response != nil {
		status = response.StatusCode
	}
	if err != nil {
		return status
	}
	defer c.Close()
	defer context.AfterFunc(ctx, func() { c.Close() })()
	began()
	for {
		c.SetReadDeadline(time.Now().Add(5 * time.Second)) //nolint:errcheck // the read fails
		_, text, err := c.ReadMessage()
		var m nodeFrame
		if err != nil || json.Unmarshal(text, &m) != nil {
			return status
		}
		take(m)
		if m.Seq > 0 && c.WriteMessage(websocket.TextMessage, fmt.Appendf(nil, `{"type":"ack","channel":%q,"seq":%d}`, m.Channel, m.Seq)) != nil {
			return status
		}
	}
}

// send pushes to a node again and again, and records when all nodes delivered a message
// in every channel.
func (p *prober) send(ctx context.Context, f *front) {
	hc := &http.Client{Transport: &http.Transport{}}
	defer hc.CloseIdleConnections()
	backend, err := client.NewBackend(f.url("http"), client.BackendOptions{Key: apiKey, HTTP: hc, MinWait: 20 * time.Millisecond, MaxWait: 20 * time.Millisecond})
	if err != nil {
		p.fail("%v", err)
		return
	}
	for n := 0; ctx.Err() == nil; n++ {
		at, id := p.h.now(), fmt.Sprintf("probe-%s-%d", f.name, n)
		p.mu.Lock()
		p.seen[id] = make(map[delivery]bool)
		p.mu.Unlock()
		trying, cancel := context.WithTimeout(ctx, p.limits.live/2) // the deliveries of a busy machine take seconds
		_, err := backend.PushTo(trying, client.Push{ID: id, Data: []byte(`"probe"`)}, probeChannels...)
		all := len(p.fronts) * len(probeChannels)
		for err == nil && trying.Err() == nil && p.count(id) < all {
			wait(trying, 5*time.Millisecond)
		}
		cancel()
		if p.count(id) == all {
			p.h.add(event{kind: live, node: f.name, at: at})
			wait(ctx, 100*time.Millisecond)
		}
		p.mu.Lock()
		delete(p.seen, id)
		p.mu.Unlock()
	}
}

func (p *prober) count(id string) int {
	p.mu.Lock()
	defer p.mu.Unlock()
	return len(p.seen[id])
}

// mark moves read marks on a node.
func (w *watched) mark(ctx context.Context, f *front, random *rand.Rand) {
	backend := w.newBackend(f.url("http"))
	for ; ctx.Err() == nil; wait(ctx, time.Duration(random.IntN(400))*time.Millisecond) {
		user := []string{"a", "b", "g"}[random.IntN(3)]
		channel := append([]string{"user:" + user, "all"}, memberships[user]...)[random.IntN(3)]
		info, err := w.user(ctx, backend, user)
		if err != nil {
			continue
		}
		state := info.Channels[channel]
		if state.Head <= state.Read {
			continue
		}
		seq := state.Read + random.Uint64N(state.Head-state.Read) + 1
		limited, cancel := context.WithTimeout(ctx, patience)
		read, _, err := backend.MarkRead(limited, user, channel, seq)
		cancel()
		if err == nil {
			// The response may show what a plain client has read since then, which is not stored yet.
			w.h.add(event{kind: marked, node: f.name, user: user, channel: channel, seq: min(read, seq)})
		} else if ctx.Err() == nil && limited.Err() == nil {
			w.fail("mark read on node %s: %v", f.name, err)
		}
	}
}

// user asks the cluster about a user.
func (w *watched) user(ctx context.Context, backend *client.Backend, user string) (client.UserInfo, error) {
	ctx, cancel := context.WithTimeout(ctx, w.limits.live/2)
	defer cancel()
	return backend.User(ctx, user)
}

// observe records what a node shows of the users, while it is ready.
func (w *watched) observe(ctx context.Context, f *front) {
	hc := &http.Client{Transport: &http.Transport{}}
	defer hc.CloseIdleConnections()
	backend := w.newBackend(f.url("http"))
	for ; ctx.Err() == nil; wait(ctx, 100*time.Millisecond) {
		for _, user := range []string{"a", "b", "g"} {
			if !f.ready(ctx, hc) {
				break
			}
			w.look(ctx, f, backend, user) //nolint:errcheck // it may be gone meanwhile
		}
	}
}

// look records what a node shows of a user.
func (w *watched) look(ctx context.Context, f *front, backend *client.Backend, user string) error {
	at := w.h.now()
	info, err := w.user(ctx, backend, user)
	if err != nil {
		return err
	}
	for channel, state := range info.Channels {
		e := event{kind: saw, node: f.name, user: user, channel: channel, seq: state.Read, at: at}
		w.h.add(e)
		for e.device, e.seq = range state.Devices {
			if e.device != "" {
				w.h.add(e)
			}
		}
	}
	return nil
}

// kick disconnects users.
func (w *watched) kick(ctx context.Context, random *rand.Rand) {
	backend := w.newBackend(w.run.url("http"))
	for ctx.Err() == nil {
		wait(ctx, time.Duration(500+random.IntN(3000))*time.Millisecond)
		w.disconnect(ctx, backend, []string{"a", "b", "g"}[random.IntN(3)])
	}
}

func (w *watched) disconnect(ctx context.Context, backend *client.Backend, user string) {
	w.kicking.Lock()
	defer w.kicking.Unlock()
	w.h.add(event{kind: kicking, user: user})
	limited, cancel := context.WithTimeout(ctx, 10*time.Second)
	defer cancel()
	if _, err := backend.Disconnect(limited, user, ""); err == nil {
		w.h.add(event{kind: kicked, user: user})
	}
}

// calm waits until all nodes are live again, or should have been. Then it disconnects all
// users, and revokes tokens: during disturbances most of that proves nothing.
func (w *watched) calm(*run) {
	for give := time.Now().Add(w.limits.live + time.Second); time.Now().Before(give); wait(w.t.Context(), 20*time.Millisecond) {
		if all := disturbances(w.h.snapshot()); len(all) == 0 || all[len(all)-1].to != never {
			break
		}
	}
	backend := w.newBackend(w.run.url("http"))
	for user := range memberships {
		w.disconnect(w.t.Context(), backend, user)
	}
	w.outdate(w.t.Context(), w.fronts[0])
}

// last records what all nodes have at the end. It does so again for a while if they
// differ: a message that has expired leaves a node with the next tick of the log.
func (w *watched) last() {
	w.t.Helper()
	for give := time.Now().Add(10 * time.Second); time.Now().Before(give) && !w.t.Failed(); wait(w.t.Context(), 200*time.Millisecond) {
		if w.lookAround(); len(w.check().violations) == 0 {
			return
		}
	}
}

func (w *watched) lookAround() {
	w.t.Helper()
	for _, f := range w.fronts {
		backend := w.newBackend(f.url("http"))
		for _, channel := range allChannels {
			if err := w.list(backend, f, channel); err != nil {
				w.t.Errorf("list %s on node %s: %v", channel, f.name, err)
			}
		}
		for _, user := range []string{"a", "b", "g"} {
			if err := w.look(w.t.Context(), f, backend, user); err != nil {
				w.t.Errorf("user %s on node %s: %v", user, f.name, err)
			}
		}
	}
}

func (w *watched) list(backend *client.Backend, f *front, channel string) error {
	w.h.add(event{kind: listing, node: f.name, channel: channel})
	for after := uint64(0); ; {
		list, next, err := backend.Messages(w.t.Context(), channel, after, 1000)
		if err != nil {
			return err
		}
		for _, m := range list {
			w.h.add(event{kind: listed, node: f.name, channel: channel, id: name(m.Data), seq: m.Seq, prev: m.Prev})
		}
		if len(list) == 0 {
			return nil
		}
		after = next
	}
}
