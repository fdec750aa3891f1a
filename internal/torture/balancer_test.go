package torture

import (
	"context"
	"net/http"
	"sync"
	"time"
)

// front is a node as its clients see it: an address that stays the same, and may lead
// nowhere.
type front struct {
	name  string
	proxy *proxy
}

func (f *front) url(scheme string) string { return scheme + "://" + f.proxy.address() }

// ready reports whether a node says that it is.
func (f *front) ready(ctx context.Context, hc *http.Client) bool {
	ctx, cancel := context.WithTimeout(ctx, time.Second)
	defer cancel()
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, f.url("http")+"/readyz", nil)
	if err != nil {
		return false
	}
	response, err := hc.Do(request)
	if err != nil {
		return false
	}
	response.Body.Close()
	return response.StatusCode == http.StatusOK
}

// balance makes a proxy a load balancer: it sends new connections to the nodes that are
// ready, until ctx is done.
func balance(ctx context.Context, p *proxy, fronts []*front) {
	hc := &http.Client{Transport: &http.Transport{}}
	defer hc.CloseIdleConnections()
	for ; ctx.Err() == nil; wait(ctx, 50*time.Millisecond) {
		ready := make([]string, len(fronts))
		var asking sync.WaitGroup
		for i, f := range fronts {
			asking.Go(func() {
				if f.ready(ctx, hc) {
					ready[i] = f.proxy.address()
				}
			})
		}
		asking.Wait()
		var all []string
		for _, address := range ready {
			if address != "" {
				all = append(all, address)
			}
		}
		if ctx.Err() == nil {
			p.aim(all...)
		}
	}
}
