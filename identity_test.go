package wirepost_test

import (
	"context"
	"io"
	"strings"
	"testing"

	"github.com/wirepost/wirepost"
)

// byToken makes the token the user's name.
func byToken(o *wirepost.Options) {
	o.Authenticate = nil
	o.VerifyToken = func(_ context.Context, token string) (wirepost.Identity, error) {
		return wirepost.Identity{User: token, Publish: []string{"*"}, Subscribe: []string{"*"}}, nil
	}
}

// It is unknown which site set which of two cookies.
func TestSeveralTokensAreRefused(t *testing.T) {
	t.Parallel()
	n := newNode(t, byToken)
	for _, test := range []struct {
		query  string
		cookie string
		status int
		says   string
	}{
		{"", "wirepost_token=42", 200, ""},
		{"", "wirepost_token=42; wirepost_token=42; other=1", 200, ""},
		{"", "wirepost_token=; wirepost_token=42", 200, ""},
		{"", "wirepost_token=42; wirepost_token=43", 401, "several cookies"},
		{"", "wirepost_token=42; a=b; wirepost_token=42; wirepost_token=43", 401, "several cookies"},
		{"token=42", "wirepost_token=42; wirepost_token=43", 200, ""},
		{"token=42&token=43", "", 400, "given twice"},
		{"token=42&device=a&device=b", "", 400, "device"},
		{"token=42&channels=a&channels=b", "", 400, "channels"},
		{"token=42&after=&after=x", "", 400, "after"},
		{"token=42&hello=1&hello=0", "", 400, "hello"},
		{"token=42&lastEventId=&lastEventId=x", "", 400, "lastEventId"},
	} {
		resp := n.get("/poll", test.query+"&wait=0", "Cookie", test.cookie)
		body, _ := io.ReadAll(resp.Body)
		if resp.StatusCode != test.status || !strings.Contains(string(body), test.says) {
			t.Errorf("%s, cookies %s: %s %s", test.query, test.cookie, resp.Status, body)
		}
	}
}

// Names that differ before decoding must not become equal by decoding.
func TestAmbiguousFramesAreRefused(t *testing.T) {
	t.Parallel()
	n := newNode(t)
	c, _ := n.dialV1("42")
	for _, frame := range []string{
		`{"type":"publish","ref":1,"to":"news","data":1,"id":"\ud800"}`,
		`{"type":"publish","ref":1,"to":"news","data":1,"id":"\udc00"}`,
		`{"type":"publish","ref":1,"to":"news","data":1,"key":"a\ud800"}`,
		`{"type":"publish","ref":1,"to":"news\ud800","data":1}`,
		`{"type":"publish","ref":1,"to":"news","data":"\ud800","content_type":"text/plain"}`,
		`{"type":"subscribe","ref":1,"channel":"a\ud800"}`,
		`{"type":"ack","ref":1,"channel":"user:42\ud800","seq":1}`,
		`{"type":"call","ref":1,"method":"\ud800"}`,
		`{"type":"publish","ref":1,"to":"news","data":1,"id":"a","id":"b"}`,
		`{"type":"publish","ref":1,"to":"news","t\u006f":"room:7","data":1}`,
	} {
		c.send("%s", frame)
		e := c.frame("error")
		if e.str("code") != "bad_request" || e.num("ref") != 1 {
			t.Errorf("%s: %v", frame, e)
		}
	}
	if list, _, err := n.Messages(t.Context(), "news", 0, 0); err != nil || len(list) != 0 {
		t.Errorf("stored: %v, %v", list, err)
	}
	// Field names are case-sensitive; unknown ones are ignored, as are these.
	c.send("%s", `{"type":"publish","ref":2,"to":"news","TO":"room:7","data":1,"DATA":2,"ID":"x"}`)
	c.frame("ok")
	if list, _, err := n.Messages(t.Context(), "news", 0, 0); err != nil || len(list) != 1 || string(list[0].Data) != "1" || list[0].ID == "x" {
		t.Errorf("stored: %v, %v", list, err)
	}
}
