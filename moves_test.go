package wirepost_test

import (
	"fmt"
	"sync"
	"testing"
	"testing/synctest"
	"time"
)

// TestMoves: a client that changes to another node gets nothing again that it has
// acknowledged, however fast it is.
func TestMoves(t *testing.T) {
	inCluster(t, 3, func(t *testing.T, ns *nodes) {
		away := ns.all[0].dial("42")
		for i := range 30 {
			from, to := ns.all[i%3], ns.all[(i+1)%3]
			data := fmt.Sprint(i)
			plain := away
			from.json("user:42", data)
			plain.want(data)
			announced() // that the user is here
			var reading sync.WaitGroup
			reading.Go(func() { plain.closeCode() })
			synctest.Wait() // until the pong is processed
			plain.Close()
			reading.Wait()
			time.Sleep(time.Duration(i) * 10 * time.Millisecond)
			away = to.dial("42")
		}
		c, _ := ns.all[0].dialV1("43&device=phone")
		for i := range 30 {
			from, to := ns.all[i%3], ns.all[(i+1)%3]
			seq := from.json("user:43", fmt.Sprint(i)).Seq
			c.message(fmt.Sprint(i))
			announced()
			c.send(`{"type":"ack","channel":"user:43","seq":%d}`, seq)
			synctest.Wait()
			if i%2 == 0 {
				c.Close() // else the connections overlap
			}
			var hello frame
			c, hello = to.dialV1("43&device=phone")
			if got := hello.channel("user:43").num("after"); got != seq {
				t.Fatalf("%d: begins after %d on the next node, not %d", i, got, seq)
			}
		}
	})
}

// TestMovesFromSilentNode: a client does not wait for long for a node that is gone.
func TestMovesFromSilentNode(t *testing.T) {
	inCluster(t, 2, func(t *testing.T, ns *nodes) {
		a, b := ns.all[0], ns.all[1]
		a.dialV1("42")
		announced()
		ns.bus[0].down.Store(true)
		began := time.Now()
		b.dialV1("42")
		if took := time.Since(began); took > 300*time.Millisecond {
			t.Errorf("connected after %s", took)
		}
	})
}
