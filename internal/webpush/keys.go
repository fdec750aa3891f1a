package webpush

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"math"
	"sync"
	"time"

	"github.com/wirepost/wirepost/engine"
)

// Channel is the channel whose last record is the key pair, as PEM. All nodes of a cluster
// have the same, and follow it when another one is imported.
const Channel = "$webpush"

const (
	// firstID is the ID of the record of the first key pair. It is remembered long enough that of
	// several nodes that make one at the same time one succeeds.
	firstID = "first"
	lastKey = "vapid"
)

// Keys is the key pair of the server. It is safe for concurrent use.
type Keys struct {
	log    engine.Log
	logger *slog.Logger

	mu struct {
		sync.Mutex
		pair    *KeyPair // nil: it is not known yet
		seq     uint64
		since   int64 // ms since the epoch
		watched bool
	}
	cancel  context.CancelFunc
	waiting sync.WaitGroup
}

// open reads the key pair, or makes it if there is none. If that fails now, it is tried again
// until close is called.
func (k *Keys) open() {
	ctx, cancel := context.WithCancel(context.Background())
	k.cancel = cancel
	err := k.load(ctx)
	if err == nil {
		return
	}
	k.logger.Warn("Web Push: there is no key pair yet; this is tried again", "error", err)
	k.waiting.Go(func() {
		for pause := time.Second; ctx.Err() == nil && k.load(ctx) != nil; pause = min(2*pause, 30*time.Second) {
			select {
			case <-ctx.Done():
			case <-time.After(pause):
			}
		}
	})
}

func (k *Keys) close() {
	k.cancel()
	k.waiting.Wait()
	k.mu.Lock()
	watched := k.mu.watched
	k.mu.watched = false
	k.mu.Unlock()
	if watched {
		k.log.Unwatch(Channel, k)
	}
}

func (k *Keys) load(ctx context.Context) error {
	if !k.mu.watched { // only this goroutine sets it before close
		if _, err := k.log.Watch(ctx, Channel, k); err != nil {
			return err
		}
		k.mu.Lock()
		k.mu.watched = true
		k.mu.Unlock()
	}
	found, err := k.read(ctx)
	if err != nil || found {
		return err
	}
	pair, err := GenerateKeyPair()
	if err != nil {
		return err
	}
	if err := k.append(ctx, pair, firstID); err != nil {
		return err
	}
	if found, err = k.read(ctx); err == nil && !found {
		err = errors.New("the record of the key pair is not there")
	}
	return err
}

// read reads the last record.
func (k *Keys) read(ctx context.Context) (found bool, err error) {
	page, err := k.log.ReadBefore(ctx, Channel, math.MaxUint64, 1, 1)
	if err != nil || len(page.Records) == 0 {
		return false, err
	}
	return true, k.set(page.Records[0])
}

func (k *Keys) append(ctx context.Context, pair *KeyPair, id string) error {
	data, err := pair.encode()
	if err != nil {
		return err
	}
	results, err := k.log.Append(ctx, []engine.Entry{{
		Channel: Channel, ID: id, Idempotent: id != "", Key: lastKey, ContentType: "application/x-pem-file", Data: data,
	}})
	if err == nil {
		err = results[0].Err
	}
	return err
}

func (k *Keys) set(r *engine.Record) error {
	pair, err := ParseKeyPair(string(r.Data))
	if err != nil {
		return fmt.Errorf("the key pair in the channel %s: %w", Channel, err)
	}
	k.mu.Lock()
	defer k.mu.Unlock()
	if r.Seq >= k.mu.seq {
		k.mu.pair, k.mu.seq, k.mu.since = pair, r.Seq, r.Time
	}
	return nil
}

// Appended implements engine.Watcher.
func (k *Keys) Appended(records []*engine.Record) {
	if err := k.set(records[len(records)-1]); err != nil {
		k.logger.Error("Web Push: a key pair cannot be read", "error", err)
	}
}

// get returns the key pair, and since when it is the server's, in ms since the epoch.
func (k *Keys) get() (pair *KeyPair, since int64) {
	k.mu.Lock()
	defer k.mu.Unlock()
	return k.mu.pair, k.mu.since
}

// Public is the public key as base64url; "" if it is not known yet.
func (k *Keys) Public() string {
	pair, _ := k.get()
	if pair == nil {
		return ""
	}
	return pair.Public()
}

// Import replaces the key pair. Browsers that subscribed with the one before have to subscribe
// again.
func (k *Keys) Import(ctx context.Context, pair *KeyPair) error {
	if err := k.append(ctx, pair, ""); err != nil {
		return err
	}
	_, err := k.read(ctx)
	return err
}
