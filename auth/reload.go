package auth

import (
	"context"
	"time"
)

// Reload fetches the key set again, if there is one. After an error the previous keys
// remain in use.
func (v *Verifier) Reload(ctx context.Context) error {
	if v.keys == nil {
		return nil
	}
	return v.keys.reload(ctx)
}

func (s *keySet) reload(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, fetchTimeout)
	defer cancel()
	keys, err := s.fetch(ctx)
	if err != nil {
		return err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.mu.keys, s.mu.fetched, s.mu.failed, s.mu.wait = keys, time.Now(), nil, minRefresh
	return nil
}
