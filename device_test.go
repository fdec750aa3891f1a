package wirepost_test

import (
	"io"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/wirepost/wirepost"
)

// A page of another site can make a browser follow a link with the user's cookie.
func TestLinksFromOtherSitesMakeNoDevices(t *testing.T) {
	t.Parallel()
	n := newNode(t, byToken, func(o *wirepost.Options) { o.AllowOrigins = []string{"https://app.example.com"} })
	for _, test := range []struct {
		site, origin string
		status       int
	}{
		{"", "", 200},            // no browser, or an old one
		{"none", "", 200},        // typed in
		{"same-origin", "", 200}, // the server's own page
		{"cross-site", "", 403},
		{"same-site", "", 403},
		{"cross-site", "https://evil.test", 403},
		{"cross-site", "https://app.example.com", 200},
	} {
		header := []string{"Cookie", "wirepost_token=42"}
		if test.site != "" {
			header = append(header, "Sec-Fetch-Site", test.site, "Sec-Fetch-Mode", "navigate")
		}
		if test.origin != "" {
			header = append(header, "Origin", test.origin)
		}
		for _, path := range []string{"/poll", "/sse"} {
			resp := n.get(path, "wait=0&device=d"+test.site+strings.TrimPrefix(test.origin, "https://"), header...)
			if resp.StatusCode != test.status {
				body, _ := io.ReadAll(resp.Body)
				t.Errorf("%s, site %q, origin %q: %s %s", path, test.site, test.origin, resp.Status, body)
			}
			resp.Body.Close()
		}
	}
	info, err := n.User(t.Context(), "42")
	if err != nil {
		t.Fatal(err)
	}
	if devices := info.Channels["user:42"].Devices; len(devices) != 4 {
		t.Errorf("devices %v", devices)
	}
}

// A device with pending messages is not displaced by new ones, and if it is finally
// forgotten, it gets a gap.
func TestAForgottenDeviceGetsAGap(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		n := newPipeNode(t, func(o *wirepost.Options) { o.MaxDevices = 2 })
		phone, _ := n.dialV1("42&device=phone")
		phone.leave()
		n.gone("42")
		n.json("user:42", `1`)
		laptop, _ := n.dialV1("42&device=laptop")
		m := laptop.message(`1`)
		laptop.send(`{"type":"ack","channel":"user:42","seq":%d}`, m.num("seq"))
		laptop.send(`{"type":"read","channel":"user:42","seq":%d}`, m.num("seq"))
		laptop.frame("state")

		// The phone has not received message 1, which is read: a new device would never get it.
		if _, resp, _ := n.tryDial("user=42&device=evil"); resp == nil || resp.StatusCode != 429 {
			t.Fatalf("the phone was forgotten at once: %v", resp)
		}
		time.Sleep(time.Hour + time.Minute)
		evil, hello := n.dialV1("42&device=evil")
		if hello.channel("user:42")["resumed"] != false {
			t.Errorf("the hello of the device that displaced another one is %v", hello)
		}
		evil.frame("gap")
		evil.leave() // it has received all unread messages, so it is forgotten without loss
		n.gone("42") // the laptop, which did not answer heartbeats, as well

		phone, hello = n.dialV1("42&device=phone")
		if hello.channel("user:42")["resumed"] != false {
			t.Errorf("the phone missed a message, but its hello is %v", hello)
		}
		if gap := phone.frame("gap"); gap.str("channel") != "user:42" || gap.num("resumed_at") != m.num("seq")+1 {
			t.Errorf("got %v", gap)
		}
		n.json("user:42", `2`)
		phone.message(`2`)
		phone.leave()
		n.gone("42")
		phone, hello = n.dialV1("42&device=phone")
		if hello.channel("user:42")["resumed"] != true {
			t.Errorf("the gap is repeated: %v", hello)
		}
		phone.message(`2`)
	})
}

// A poll ends after its first response: the gap is in it, and only once.
func TestAForgottenDeviceThatPollsGetsOneGap(t *testing.T) {
	t.Parallel()
	n := newNode(t, func(o *wirepost.Options) { o.MaxDevices = 1 })
	n.json("user:42", `1`)
	if _, _, err := n.MarkRead(t.Context(), "42", "user:42", 1); err != nil {
		t.Fatal(err)
	}
	n.poll("42&device=a&wait=0")
	p := n.poll("42&device=b&wait=0")
	if len(p.Messages) != 1 {
		t.Fatalf("brought %s", p.Messages)
	}
	parseObject(t, p.Messages[0], "gap")
	if again := n.poll("42&device=b&wait=0&after=" + p.Cursor); len(again.Messages) != 0 {
		t.Errorf("and again %s", again.Messages)
	}
}
