package load

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/gobwas/ws"
	"github.com/google/go-cmp/cmp"
)

func TestMessageMarks(t *testing.T) {
	for _, size := range []int{0, 60, 256, 5000} {
		m := newMarks("bench-x", size)
		text := m.appendMessage(nil, 17, 123456789)
		got, ok := m.find(text[:min(len(text), maxHead)])
		if !ok || got.n != 17 || got.sent != 123456789 || !got.whole() || m.sizeOf(got) != len(text) || len(text) < size {
			t.Errorf("size %d: %s gives %+v, %v", size, text, got, ok)
		}
		envelope := fmt.Sprintf(`{"type":"message","channel":"c","seq":9,"prev":8,"id":"i","time":1,"data":%s}`, text)
		if got, ok = m.find([]byte(envelope)[:min(len(envelope), maxHead)]); !ok || got.n != 17 || !got.whole() {
			t.Errorf("size %d in an envelope: %+v, %v", size, got, ok)
		}
		if _, ok = m.find([]byte(strings.Replace(string(text), "bench-x", "bench-y", 1))); ok {
			t.Error("a message of another run was taken for one of this")
		}
	}
}

func TestMessageSpoilt(t *testing.T) {
	m := newMarks("bench-x", 300)
	text := m.appendMessage(nil, 1, 1)
	for i := len(text) - 240; i < len(text)-1; i += 7 {
		text[i] ^= 1
		if got, ok := m.find(text); !ok || got.whole() {
			t.Errorf("a changed byte at %d was not noticed", i)
		}
		text[i] ^= 1
	}
}

// testSession is a session of a crowd of one whose handshake is done.
func testSession(v1 bool) *session {
	m := newMarks("bench-x", 100)
	return &session{
		crowd: &crowd{plan: crowdPlan{size: 1, v1: v1, channel: "c", marks: m}},
		tally: &tally{}, expected: 1, open: true,
	}
}

func TestSessionCounts(t *testing.T) {
	s := testSession(false)
	m := &s.crowd.plan.marks
	var in []byte
	for _, n := range []uint64{1, 2, 2, 5, 4, 6} {
		in = append(in, serverFrame(ws.OpText, m.appendMessage(nil, n, 0))...)
	}
	in = append(in, serverFrame(ws.OpText, append(m.appendMessage(nil, 7, 0), ' '))...)
	in = append(in, serverFrame(ws.OpText, []byte("something else"))...)
	in = append(in, serverFrame(ws.OpPing, []byte("cursor"))...)
	answers, err := s.take(in, time.Second, nil)
	if err != nil {
		t.Fatal(err)
	}
	want := counts{delivered: 4, gaps: 2, repeats: 2, spoilt: 1, foreign: 1}
	if diff := cmp.Diff(want, tallies{s.tally}.counts(), cmp.AllowUnexported(counts{})); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
	if pong := appendFrame(nil, opPong, []byte("cursor")); string(answers) != string(pong) {
		t.Errorf("answered %q, want %q", answers, pong)
	}
	if h := (tallies{s.tally}).each(); h.max != time.Second {
		t.Errorf("latency %s", h.max)
	}
}

func TestSessionAcknowledges(t *testing.T) {
	s := testSession(true)
	v1 := func(channel string, seq uint64) []byte {
		text := s.crowd.plan.marks.appendMessage(nil, seq, 0)
		return serverFrame(ws.OpText, fmt.Appendf(nil, `{"type":"message","channel":"%s","seq":%d,"prev":0,"id":"i","time":1,"data":%s}`, channel, seq, text))
	}
	var answers []byte
	for n := range uint64(ackCount) {
		if len(answers) > 0 {
			t.Fatalf("acknowledged after %d", n)
		}
		answers, _ = s.take(v1("c", n+1), 0, answers)
	}
	if want := appendAck(nil, "c", ackCount); string(answers) != string(want) {
		t.Errorf("sent %q, want %q", answers, want)
	}
	s.take(v1("c", ackCount+1), 0, nil) //nolint:errcheck // the acknowledgement tells
	if got, want := s.acknowledge(nil), appendAck(nil, "c", ackCount+1); string(got) != string(want) {
		t.Errorf("sent %q, want %q", got, want)
	}
	if got := s.acknowledge(nil); len(got) > 0 {
		t.Errorf("acknowledged twice: %q", got)
	}
	// What is not of this run must not fill the window.
	got, _ := s.take(v1(`al\"l`, 3), 0, nil)
	if want := appendAck(nil, `al\"l`, 3); string(got) != string(want) {
		t.Errorf("sent %q, want %q", got, want)
	}
}

func TestSessionEnds(t *testing.T) {
	s := testSession(false)
	_, err := s.take(serverFrame(ws.OpClose, ws.NewCloseFrameBody(1012, "restart")), 0, nil)
	if err == nil || !strings.Contains(err.Error(), `1012 "restart"`) {
		t.Errorf("got %v", err)
	}
}

func TestHandshakeRefused(t *testing.T) {
	s := testSession(false)
	s.open = false
	answer := "HTTP/1.1 401 Unauthorized\r\nContent-Type: application/problem+json\r\nContent-Length: 30\r\n\r\n" + `{"detail":"the token is wrong"}`
	for i := range len(answer) - 1 {
		if _, err := s.take([]byte(answer[i:i+1]), 0, nil); err != nil && !strings.Contains(err.Error(), "401") {
			t.Fatalf("after %d bytes: %v", i, err)
		}
	}
	s = testSession(false)
	s.open = false
	if _, err := s.take([]byte(answer), 0, nil); err == nil || !strings.Contains(err.Error(), "the token is wrong") {
		t.Errorf("got %v", err)
	}
	s = testSession(false)
	s.open = false
	if _, err := s.take([]byte(strings.Repeat("x", maxAnswer+1)), 0, nil); err == nil {
		t.Error("an endless answer is waited for")
	}
}
