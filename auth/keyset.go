package auth

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"os"
	"strings"
	"sync"
	"time"

	"github.com/golang-jwt/jwt/v5"

	"github.com/wirepost/wirepost"
)

const (
	maxKeySet    = 1 << 20 // bytes of a key set's file
	fetchTimeout = 10 * time.Second
	// A token with an unknown key costs its sender nothing, so the key set is fetched at
	// most this often, and less often while fetches fail.
	minRefresh = 10 * time.Second
	maxRefresh = 5 * time.Minute
	// maxAge is the age at which a key set is fetched again even if no key is unknown, so
	// that a key removed from it does not stay valid.
	maxAge = time.Hour
)

// keySet holds the public keys of one URL or file. It is fetched at the start, when a
// token names an unknown key, and when it is older than maxAge.
type keySet struct {
	source string
	client *http.Client

	mu struct {
		sync.Mutex
		keys    []publicKey
		fetched time.Time     // when keys were fetched
		failed  error         // of the last fetch; keys remain valid
		wait    time.Duration // minimum time between fetches
		next    time.Time     // earliest time of the next fetch
		running chan struct{} // closed when the running fetch is done; nil: none
	}
}

func newKeySet(source string, client *http.Client) (*keySet, error) {
	if client == nil {
		client = &http.Client{Timeout: fetchTimeout}
	}
	s := &keySet{source: source, client: client}
	s.mu.wait = minRefresh
	ctx, cancel := context.WithTimeout(context.Background(), fetchTimeout)
	defer cancel()
	keys, err := s.fetch(ctx)
	if err != nil {
		return nil, err
	}
	s.mu.keys, s.mu.fetched, s.mu.next = keys, time.Now(), time.Now().Add(minRefresh)
	return s, nil
}

// find returns the keys that may have signed a token with this key ID ("" when the token
// has none) and algorithm.
func (s *keySet) find(ctx context.Context, id, alg string) (jwt.VerificationKeySet, error) {
	for {
		s.mu.Lock()
		found, known := match(s.mu.keys, id, alg)
		failed, running := s.mu.failed, s.mu.running
		now := time.Now()
		wanted := !known || now.Sub(s.mu.fetched) >= maxAge
		mayFetch := wanted && running == nil && !now.Before(s.mu.next)
		if mayFetch {
			running = make(chan struct{})
			s.mu.running = running
		}
		s.mu.Unlock()

		switch {
		case len(found.Keys) > 0:
			if mayFetch {
				go s.refresh(ctx, running) // not waited for; it takes at most fetchTimeout
			}
			return found, nil
		case mayFetch:
			s.refresh(ctx, running)
		case known && id != "":
			return found, refuse("the token's key %q is not for %s", id, alg)
		case known:
			return found, refuse("the token names no key (kid), and there is none for %s", alg)
		case running != nil:
			select {
			case <-running:
			case <-ctx.Done():
				return found, &wirepost.Error{Code: wirepost.CodeUnavailable, Message: "the token's key is still being fetched", Err: ctx.Err()}
			}
		case failed != nil:
			// The failed fetch might have returned a new key: the client should retry,
			// which it would not do after a 401.
			return found, &wirepost.Error{
				Code: wirepost.CodeUnavailable, Message: "the token's key is unknown, and the key set cannot be fetched at the moment",
				RetryAfter: minRefresh, Err: failed,
			}
		default:
			return found, refuse("the token's key %q is unknown", id)
		}
	}
}

// match selects keys. known means that fetching again would not help: the ID is in the
// set, or the token has none.
func match(keys []publicKey, id, alg string) (found jwt.VerificationKeySet, known bool) {
	for _, k := range keys {
		if k.id == id || id == "" || k.id == "" {
			known = known || k.id == id
			if k.alg == alg {
				found.Keys = append(found.Keys, k.key)
			}
		}
	}
	return found, known || id == ""
}

// refresh fetches the key set for all callers waiting for running, so it is not canceled
// with the context of this one.
func (s *keySet) refresh(ctx context.Context, running chan struct{}) {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), fetchTimeout)
	defer cancel()
	keys, err := s.fetch(ctx)

	s.mu.Lock()
	defer s.mu.Unlock()
	s.mu.failed = err
	if err != nil {
		s.mu.wait = min(2*s.mu.wait, maxRefresh)
	} else {
		s.mu.keys, s.mu.fetched, s.mu.wait = keys, time.Now(), minRefresh
	}
	s.mu.next = time.Now().Add(s.mu.wait)
	s.mu.running = nil
	close(running)
}

// fetch reads the key set from its URL or file.
func (s *keySet) fetch(ctx context.Context) ([]publicKey, error) {
	body, err := s.open(ctx)
	if err != nil {
		return nil, fmt.Errorf("key set %s: %w", s.source, err)
	}
	defer body.Close()
	data, err := io.ReadAll(io.LimitReader(body, maxKeySet+1))
	if err != nil {
		return nil, fmt.Errorf("key set %s: %w", s.source, err)
	}
	if len(data) > maxKeySet {
		return nil, fmt.Errorf("key set %s: is larger than %d bytes", s.source, maxKeySet)
	}
	keys, err := parseKeySet(data)
	if err != nil {
		return nil, fmt.Errorf("key set %s %w", s.source, err)
	}
	return keys, nil
}

func (s *keySet) open(ctx context.Context) (io.ReadCloser, error) {
	if !strings.HasPrefix(s.source, "https://") && !strings.HasPrefix(s.source, "http://") {
		return os.Open(s.source)
	}
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, s.source, nil)
	if err != nil {
		return nil, err
	}
	request.Header.Set("Accept", "application/jwk-set+json, application/json")
	response, err := s.client.Do(request)
	if err != nil {
		return nil, err
	}
	if response.StatusCode != http.StatusOK {
		response.Body.Close()
		return nil, fmt.Errorf("answered %s", response.Status)
	}
	return response.Body, nil
}
