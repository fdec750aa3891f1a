package client_test

import (
	"errors"
	"math"
	"reflect"
	"testing"
	"testing/synctest"
	"time"

	"github.com/wirepost/wirepost"
	"github.com/wirepost/wirepost/client"
)

func TestChannel(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newSite(t, func(o *wirepost.Options) {
			o.Channels = []wirepost.Policy{{Pattern: "room:*", MaxAge: 90 * time.Second, MaxMessages: 2}}
		})
		b, ctx := s.backend(), t.Context()
		s.dial("42", func(o *client.Options) { o.Channels = []string{"room:7"} })
		s.pushNumbers("room:7", 1, 3)
		info, err := b.Channel(ctx, "room:7")
		want := client.ChannelInfo{Channel: "room:7", Head: 3, Oldest: 2, Subscribers: 1, Policy: client.PolicyInfo{
			Pattern: "room:*", Durable: true, MaxAge: 90 * time.Second, MaxMessages: 2,
			Subscribe: client.AccessToken, Publish: client.AccessToken,
		}}
		if err != nil || !reflect.DeepEqual(info, want) {
			t.Errorf("%+v %v, want %+v", info, err, want)
		}
		if info, err = b.Channel(ctx, "unused"); err != nil || info.Head != 0 || info.Oldest != 0 {
			t.Errorf("unused: %+v %v", info, err)
		}
		if _, err := b.Channel(ctx, "a*"); !errors.Is(err, client.ErrBadRequest) {
			t.Errorf("a bad name: %v", err)
		}
	})
}

func TestList(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newSite(t, nil)
		b, ctx := s.backend(), t.Context()
		s.pushNumbers("log", 1, 5)
		var texts string
		for after := uint64(0); ; {
			list, next, err := b.Messages(ctx, "log", after, 2)
			if err != nil {
				t.Fatal(err)
			}
			if len(list) == 0 {
				break
			}
			for _, m := range list {
				texts += string(m.Data)
			}
			after = next
		}
		if texts != "12345" {
			t.Errorf("got %s", texts)
		}
		if _, _, err := b.Messages(ctx, "log", 0, -1); !errors.Is(err, client.ErrBadRequest) {
			t.Errorf("an invalid limit: %v", err)
		}
		if _, _, err := b.Messages(ctx, "log", math.MaxUint64, 0); err != nil {
			t.Errorf("the largest sequence: %v", err)
		}
	})
}

func TestMessage(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newSite(t, nil)
		b, ctx := s.backend(), t.Context()
		s.dial("42&device=d2")
		c := s.dial("42&device=d1")
		s.pushNumbers("user:42", 1, 1)
		take(t, c, 1)
		time.Sleep(time.Second) // the acknowledgement
		m, receipts, err := b.Message(ctx, "user:42", 1)
		if err != nil || m.Seq != 1 || string(m.Data) != "1" || m.ContentType != "text/plain" || !m.Expires.IsZero() {
			t.Errorf("%+v %v", m, err)
		}
		states := map[string]client.ReceiptState{}
		for _, r := range receipts {
			if r.User != "42" {
				t.Errorf("%+v", r)
			}
			states[r.Device] = r.State
		}
		if states["d1"] != client.ReceiptAcknowledged || states["d2"] != client.ReceiptSent {
			t.Errorf("%v", states)
		}
		if err := m.Ack(); err != nil {
			t.Errorf("Ack of a listed message: %v", err)
		}
		for _, seq := range []uint64{0, 2, math.MaxUint64} {
			if _, _, err := b.Message(ctx, "user:42", seq); !errors.Is(err, client.ErrNotFound) && !errors.Is(err, client.ErrBadRequest) {
				t.Errorf("%d: %v", seq, err)
			}
		}
	})
}

func TestRevoke(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newSite(t, nil)
		b, ctx := s.backend(), t.Context()
		var got events
		c := s.dial("42", got.option)
		if _, err := b.Push(ctx, client.Push{To: "user:42", Data: []byte("1"), ID: "first"}); err != nil {
			t.Fatal(err)
		}
		take(t, c, 1) // before it is revoked
		want := client.Revoked{Channel: "user:42", Seq: 2, Revoked: 1, ID: "first"}
		if r, err := b.Revoke(ctx, "user:42", 1); err != nil || r != want {
			t.Errorf("%+v %v, want %+v", r, err, want)
		}
		none(t, c)
		if e, _ := last[client.Revoked](&got); e != want {
			t.Errorf("the client received %+v", e)
		}
		if _, err := b.Revoke(ctx, "user:42", 1); !errors.Is(err, client.ErrNotFound) {
			t.Errorf("the second time: %v", err)
		}
	})
}

func TestEmpty(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newSite(t, nil)
		b, ctx := s.backend(), t.Context()
		s.pushNumbers("log", 1, 3)
		if err := b.Empty(ctx, "log"); err != nil {
			t.Fatal(err)
		}
		if info, err := b.Channel(ctx, "log"); err != nil || info.Head != 3 || info.Oldest != 0 {
			t.Errorf("%+v %v", info, err)
		}
		if err := b.Empty(ctx, "a?"); !errors.Is(err, client.ErrBadRequest) {
			t.Errorf("a bad name: %v", err)
		}
	})
}
