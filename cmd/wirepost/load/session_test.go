package load

import (
	"bytes"
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
		got, ok := m.find(text)
		if !ok || got.n != 17 || got.sent != 123456789 || !m.whole(got, messageEnd) || len(text) < size {
			t.Errorf("size %d: %s gives %+v, %v", size, text, got, ok)
		}
		envelope := fmt.Sprintf(`{"type":"message","channel":"c","seq":9,"prev":8,"id":"i","time":1,"data":%s}`, text)
		if got, ok = m.find([]byte(envelope)); !ok || got.n != 17 || !m.whole(got, envelopeEnd) {
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
	for i := len(text) - 240; i < len(text); i++ {
		text[i] ^= 1
		if got, ok := m.find(text); !ok || m.whole(got, messageEnd) {
			t.Errorf("a changed byte at %d was not noticed", i)
		}
		text[i] ^= 1
	}
	for _, other := range []string{"x" + string(text[len(text)-2:]), string(text[len(text)-1:]), "", `"} `} {
		spoilt := append(text[:len(text)-2:len(text)-2], other...)
		if got, ok := m.find(spoilt); !ok || m.whole(got, messageEnd) {
			t.Errorf("%q in place of the end was not noticed", other)
		}
	}
}

// testSession is a session whose handshake is done.
func testSession(v1 bool) *session {
	m := newMarks("bench-x", 100)
	return &session{
		clients: &clients{plan: clientPlan{size: 1, v1: v1, channel: "c", marks: m}},
		tally:   &tally{}, expected: 1, open: true,
	}
}

func TestSessionCounts(t *testing.T) {
	s := testSession(false)
	m := &s.clients.plan.marks
	var out []byte
	take := func(message []byte) { out = s.Message(message, time.Time{}.Add(time.Second), out) }
	for _, n := range []uint64{1, 2, 2, 5, 4, 6} {
		take(m.appendMessage(nil, n, 0))
	}
	take(append(m.appendMessage(nil, 7, 0), ' '))
	take([]byte("something else"))
	want := counts{delivered: 4, gaps: 2, repeats: 2, spoilt: 1, foreign: 1}
	if diff := cmp.Diff(want, tallies{s.tally}.counts(), cmp.AllowUnexported(counts{})); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
	if len(out) > 0 {
		t.Errorf("sent %q", out)
	}
	if h := (tallies{s.tally}).each(); h.max != time.Second {
		t.Errorf("latency %s", h.max)
	}
}

func TestSessionAcknowledges(t *testing.T) {
	s := testSession(true)
	take := func(channel string, seq uint64) []byte {
		text := s.clients.plan.marks.appendMessage(nil, seq, 0)
		return s.Message(fmt.Appendf(nil, `{"type":"message","channel":"%s","seq":%d,"prev":0,"id":"i","time":1,"data":%s}`, channel, seq, text), time.Time{}, nil)
	}
	for n := range uint64(ackCount - 1) {
		if got := take("c", n+1); len(got) > 0 {
			t.Fatalf("acknowledged after %d", n+1)
		}
	}
	checkAck(t, take("c", ackCount), "c", ackCount)
	take("c", ackCount+1)
	checkAck(t, s.Due(nil), "c", ackCount+1)
	if got := s.Due(nil); len(got) > 0 {
		t.Errorf("acknowledged twice: %q", got)
	}
	// What is not of this run must not fill the window.
	checkAck(t, take(`al\"l`, 3), `al\"l`, 3)
	if got := s.tally.mu.counts; got != (counts{delivered: ackCount + 1, repeats: 1}) {
		t.Errorf("counted %+v", got)
	}
}

func checkAck(t *testing.T, frame []byte, channel string, seq uint64) {
	t.Helper()
	f, err := ws.ReadFrame(bytes.NewReader(frame))
	if err != nil {
		t.Fatalf("%q: %v", frame, err)
	}
	want := fmt.Sprintf(`{"type":"ack","channel":"%s","seq":%d}`, channel, seq)
	if got := ws.UnmaskFrame(f).Payload; string(got) != want || f.Header.OpCode != ws.OpText {
		t.Errorf("sent %q, want %q", got, want)
	}
}

func TestHandshakeAnswers(t *testing.T) {
	for response, want := range map[string]string{
		"HTTP/1.1 101 Switching Protocols\r\n\r\n": "",
		"HTTP/1.1 401 Unauthorized\r\nContent-Type: application/problem+json\r\nContent-Length: 30\r\n\r\n" + `{"detail":"the token is wrong"}`: "the token is wrong",
		"HTTP/1.1 503 Service Unavailable\r\nContent-Length: 30\r\n\r\n" + `{"det`:                                                              "503",
		"HTTP/1.1 101 Switching Protocols\r\nSec-WebSocket-Protocol: wirepost.v1\r\n\r\n":                                                       `"wirepost.v1"`,
		"SSH-2.0\r\n\r\n": "response to the handshake",
	} {
		s := testSession(false)
		s.open = false
		header, rest, _ := strings.Cut(response, "\r\n\r\n")
		_, err := s.Upgraded([]byte(header+"\r\n\r\n"), []byte(rest), time.Now(), nil)
		if s.Ready() != (want == "") || (err == nil) != (want == "") || err != nil && !strings.Contains(err.Error(), want) {
			t.Errorf("%q: ready %v, %v", response, s.Ready(), err)
		}
	}
}
