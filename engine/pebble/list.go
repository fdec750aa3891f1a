package pebble

import (
	"context"
	"fmt"
	"strings"

	pdb "github.com/cockroachdb/pebble/v2"

	"github.com/wirepost/wirepost/engine/pebble/internal/disk"
	"github.com/wirepost/wirepost/engine/pebble/internal/format"
)

// Members implements engine.Users.
func (e *Engine) Members(ctx context.Context, channel, after string, limit int) ([]string, error) {
	return e.list(ctx, format.Named(nil, format.MemberPrefix, channel), "", after, limit, false)
}

// ListUsers implements engine.Users.
func (e *Engine) ListUsers(ctx context.Context, prefix, after string, limit int) ([]string, error) {
	return e.list(ctx, []byte{format.UserPrefix}, prefix, after, limit, true)
}

// ListChannels implements engine.Log. Every channel that was written to has a head.
func (e *Engine) ListChannels(ctx context.Context, prefix, after string, limit int) ([]string, error) {
	return e.list(ctx, []byte{format.HeadPrefix}, prefix, after, limit, false)
}

// list lists names that keys have after a kind: those that begin with a prefix and come
// after another name, at most limit. With several, a name has a 0 byte and more after it
// and may have many keys, which are skipped.
func (e *Engine) list(ctx context.Context, kind []byte, prefix, after string, limit int, several bool) (names []string, err error) {
	if err := e.enter(ctx); err != nil {
		return nil, err
	}
	defer e.leave()
	all := append(kind[:len(kind):len(kind)], prefix...)
	it, err := e.db.NewIter(&pdb.IterOptions{LowerBound: all, UpperBound: format.Successor(all)})
	if err != nil {
		return nil, fmt.Errorf("list: %w", disk.Worded(err))
	}
	from := all
	if after >= prefix && after != "" {
		from = nextName(kind, after)
	}
	for ok := it.SeekGE(from); ok && len(names) < limit; {
		name := string(it.Key()[len(kind):])
		if several {
			name, _, _ = strings.Cut(name, "\x00")
		}
		names = append(names, name)
		if len(names)%format.EndedEvery == 0 && ctx.Err() != nil {
			_ = it.Close()
			return nil, context.Cause(ctx)
		}
		if several {
			ok = it.SeekGE(nextName(kind, name))
		} else {
			ok = it.Next()
		}
	}
	if err := it.Close(); err != nil {
		return nil, fmt.Errorf("list: %w", disk.Worded(err))
	}
	return names, nil
}

// nextName is the first key after those of a name. No name has a control character.
func nextName(kind []byte, name string) []byte {
	return append(append(kind[:len(kind):len(kind)], name...), 1)
}
