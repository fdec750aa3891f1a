package client_test

import (
	"crypto/tls"
	"fmt"
	"maps"
	"math/rand/v2"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/wirepost/wirepost/client"
)

// TestKillWhilePushing: the server is killed repeatedly while many goroutines push. Every
// push gets a result, and its message is stored once, with the sequence of the result.
func TestKillWhilePushing(t *testing.T) {
	t.Parallel()
	rounds := 10
	if testing.Short() {
		rounds = 3
	}
	const goroutines = 64
	p := newProcess(t)
	backend := p.backend(t, client.BackendOptions{MinWait: quick, MaxWait: slower})
	var stop atomic.Bool
	var done atomic.Int64
	more := make(chan struct{}, 1)
	stored := make([]map[uint64]string, goroutines)
	var all sync.WaitGroup
	for g := range goroutines {
		stored[g] = make(map[uint64]string)
		all.Go(func() {
			for i := 0; !stop.Load(); i++ {
				text := fmt.Sprintf(`"%d-%d"`, g, i)
				result, err := backend.Push(t.Context(), client.Push{To: "log", Data: []byte(text)})
				if err != nil {
					t.Error(err)
					return
				}
				stored[g][result.Seq] = text
				done.Add(1)
				select {
				case more <- struct{}{}:
				default:
				}
			}
		})
	}
	timeout := time.After(5 * time.Minute) // it only keeps the test from hanging
	for range rounds {
		for upTo := done.Load() + 1 + rand.Int64N(1000); done.Load() < upTo && !t.Failed(); {
			select {
			case <-more:
			case <-timeout:
				t.Fatalf("only %d pushes succeeded", done.Load())
			}
		}
		p.kill()
		p.start()
	}
	stop.Store(true)
	all.Wait()
	want := make(map[uint64]string)
	for _, m := range stored {
		maps.Copy(want, m)
	}
	if n := done.Load(); int64(len(want)) != n {
		t.Errorf("%d pushes have %d sequences", n, len(want))
	}
	got := make(map[uint64]string)
	for after := uint64(0); ; {
		list, next, err := backend.Messages(t.Context(), "log", after, 1000)
		if err != nil {
			t.Fatal(err)
		}
		if len(list) == 0 {
			break
		}
		for _, m := range list {
			got[m.Seq] = string(m.Data)
		}
		after = next
	}
	t.Logf("%d messages, the server was started %d times", len(want), rounds+1)
	if !maps.Equal(got, want) {
		t.Errorf("%d messages are stored, %d were pushed", len(got), len(want))
	}
}

// TestGroupsThroughProxy: shared requests work over TLS and through a proxy that, like most
// over HTTP/1.1, forwards the response only after the whole request.
func TestGroupsThroughProxy(t *testing.T) {
	t.Parallel()
	_, address, stop := exampleSite()
	defer stop()
	target, err := url.Parse(address)
	if err != nil {
		t.Fatal(err)
	}
	forward := httputil.NewSingleHostReverseProxy(target)
	var requests atomic.Int64
	proxy := httptest.NewTLSServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.ProtoMajor != 1 {
			t.Errorf("%s", r.Proto)
		}
		requests.Add(1)
		forward.ServeHTTP(w, r)
	}))
	defer proxy.Close()
	roots := proxy.Client().Transport.(*http.Transport).TLSClientConfig.RootCAs
	transport := &http.Transport{TLSClientConfig: &tls.Config{RootCAs: roots}}
	defer transport.CloseIdleConnections()
	b, err := client.NewBackend(proxy.URL, client.BackendOptions{Key: apiKey, HTTP: &http.Client{Transport: transport}, Attempts: 1})
	if err != nil {
		t.Fatal(err)
	}
	const goroutines, pushes = 64, 50
	data := []byte(fmt.Sprintf(`"%02000d"`, 0)) // large enough for several segments per request
	seqs := make([][]uint64, goroutines)
	var all sync.WaitGroup
	for g := range goroutines {
		all.Go(func() {
			for range pushes {
				result, err := b.Push(t.Context(), client.Push{To: "log", Data: data})
				if err != nil {
					t.Error(err)
					return
				}
				seqs[g] = append(seqs[g], result.Seq)
			}
		})
	}
	all.Wait()
	var got []uint64
	for _, list := range seqs {
		if !slices.IsSorted(list) {
			t.Errorf("sequences of one goroutine's pushes: %d", list)
		}
		got = append(got, list...)
	}
	slices.Sort(got)
	if len(slices.Compact(got)) != goroutines*pushes || len(got) != goroutines*pushes {
		t.Errorf("%d results", len(got))
	}
	t.Logf("%d requests", requests.Load())
	if n := requests.Load(); n > goroutines*pushes/2 {
		t.Errorf("%d requests for %d pushes", n, goroutines*pushes)
	}
}
