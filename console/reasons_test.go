package console

import (
	"context"
	"log/slog"
	"testing"
	"time"

	"github.com/wirepost/wirepost"
	"github.com/wirepost/wirepost/hooks"
	"github.com/wirepost/wirepost/internal/browser"
)

// inChinese opens a section in Chinese.
func (s *site) inChinese(place string) context.Context {
	s.t.Helper()
	tab := browser.Open(s.t)
	browser.Language(s.t, tab, "zh-CN")
	browser.Visit(s.t, tab, s.url+"/console"+place)
	return tab
}

// onlyChinese checks that a page has no word of English but names.
func onlyChinese(t *testing.T, tab context.Context, page string) {
	t.Helper()
	for _, text := range browser.Value[[]string](t, tab, visibleTexts) {
		if words := english(text); words != "" {
			t.Errorf("%s: %q has the words %s", page, text, words)
		}
	}
}

// TestReasonsInChinese: why hooks, endpoints, steps and nodes fail is said in Chinese, although
// the server says it in English.
func TestReasonsInChinese(t *testing.T) {
	t.Parallel()
	const nothing = "http://127.0.0.1:1/"
	h, err := hooks.New(hooks.Options{Subscribe: nothing, Logger: slog.New(slog.DiscardHandler)})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(h.Close)
	s := newHookedSite(t, h, "", func(o *wirepost.Options) {
		o.Events.Endpoints = []wirepost.EventEndpoint{{URL: nothing, Secrets: []string{"whsec_MDEyMzQ1Njc4OTAxMjM0NTY3ODkwMTIz"}}}
		o.WebPush = wirepost.WebPushOptions{Subject: "mailto:test@example.com", AllowLoopback: true}
	})
	var o wirepost.Options
	h.Apply(&o)
	if o.OnSubscribe(t.Context(), wirepost.Session{User: "bob"}, "room:7") == nil {
		t.Fatal("no error")
	}
	if err := s.AddWebPush(t.Context(), "bob", []byte(subscription)); err != nil {
		t.Fatal(err)
	}
	s.client("bob")
	if err := s.AddWebPush(t.Context(), "carol", []byte(subscription)); err != nil {
		t.Fatal(err)
	}
	_, err = s.Push(t.Context(), wirepost.Push{
		To: "user:carol", Data: []byte(`1`), Escalate: []wirepost.EscalationStep{{After: time.Second, Via: wirepost.ViaWebPush}},
	})
	if err != nil {
		t.Fatal(err)
	}
	if n, err := s.Disconnect(t.Context(), "bob", ""); n != 1 || err != nil {
		t.Fatal(n, err)
	}
	tab := s.inChinese("#/")
	says(t, tab, "[data-hook=subscribe] td.bad", "连接 127.0.0.1:1（tcp）失败：连接被拒绝")
	says(t, tab, "[data-endpoint] td.bad", "连接被拒绝")
	says(t, tab, "[data-event='session.disconnected']", "4409 被应用断开")
	onlyChinese(t, tab, "overview")
	tab = s.inChinese("#/users/carol")
	browser.Click(t, tab, `[data-seq="1"] summary`)
	says(t, tab, `[data-step="1"]`, "推送服务没有响应", "连接被拒绝")
	onlyChinese(t, tab, "steps")

	nodes, links := openNodes(t)
	s = newSite(t, "", func(o *wirepost.Options) { o.Engine = nodes[1] })
	links[2].Cut(true, true)
	tab = s.inChinese("#/nodes")
	says(t, tab, "[data-node=c] .reason", "没有任何通告")
	onlyChinese(t, tab, "an unreachable node")
	links[1].Cut(true, true)
	says(t, tab, "[data-node=b] .reason", "分片 ", "既连不上集群的日志")
	onlyChinese(t, tab, "an isolated node")

	browser.Expect(tab, "status of 503")
	refused := browser.Value[string](t, tab, `import("/console/api.js").then((api) => api.push({ to: "user:42", data: 1 })).catch((error) => error.message)`)
	if want := "暂时不可用：此节点不接受写入：它连不上集群的日志"; refused != want {
		t.Errorf("a push is refused with %q, want %q", refused, want)
	}

	// What the server says otherwise stays as it is.
	if got := browser.Value[string](t, tab, `import("/console/words.js").then(({ said }) => said("shard 3: something new"))`); got != "分片 3：something new" {
		t.Errorf("it says %s", got)
	}
}
