package client

import (
	"context"
)

// Push pushes a message and returns when the server has stored it.
//
// Calls from many goroutines share requests: a push goes out at once unless a
// request of pushes is in flight; then it is part of the next one. Each call has its
// own result, returns when its own message is stored, and retries on its own; the end
// of its context affects no other call. A request that several calls share does not
// carry the values of their contexts.
func (b *Backend) Push(ctx context.Context, push Push) (result PushResult, err error) {
	body, err := encodePush(&push, []string{push.To})
	if err != nil {
		return PushResult{}, err
	}
	err = b.attempts(ctx, func(node *int) (err error) {
		result, err = b.groups.push(ctx, node, body)
		return err
	})
	if err != nil {
		return PushResult{}, err
	}
	return result, nil
}

// PushTo pushes one message to several channels, at most 1000; push.To is ignored.
// The server checks all names first: one bad name refuses the whole push. The results
// are in the order of the channels.
func (b *Backend) PushTo(ctx context.Context, push Push, channels ...string) (results []PushResult, err error) {
	body, err := encodePush(&push, channels)
	if err != nil {
		return nil, err
	}
	err = b.attempts(ctx, func(node *int) (err error) {
		results, err = b.post(ctx, *node, body, len(channels))
		return err
	})
	if err != nil {
		return nil, err
	}
	return results, nil
}
