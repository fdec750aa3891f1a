package console

import (
	"fmt"
	"log/slog"
	"testing"
	"time"

	"github.com/cockroachdb/pebble/v2/vfs"

	"github.com/wirepost/wirepost"
	"github.com/wirepost/wirepost/engine/cluster"
	"github.com/wirepost/wirepost/engine/cluster/logtest"
	"github.com/wirepost/wirepost/engine/pebble"
	"github.com/wirepost/wirepost/internal/browser"
)

// openNodes opens a cluster of three nodes, each with a link to the others.
func openNodes(t *testing.T) (nodes [3]*cluster.Engine, links *[3]logtest.Link) {
	t.Helper()
	const shards = 2
	quiet := slog.New(slog.DiscardHandler)
	log, bus := logtest.NewMemory(shards), &logtest.Bus{}
	links = new([3]logtest.Link)
	for i := range nodes {
		of := func(channel string) int { return cluster.ShardOf(channel, shards) }
		replica, err := pebble.OpenReplica("store", shards, of, pebble.Options{FS: vfs.NewMem(), Logger: quiet})
		if err != nil {
			t.Fatal(err)
		}
		name := string(rune('a' + i))
		nodes[i], err = cluster.Open(t.Context(), cluster.Options{
			Name: "prod", Node: name, Version: "v1.2.3", URL: "https://" + name + ".example.com", Log: links[i].Log(log), Bus: links[i].Bus(bus),
			Replica: replica, Shards: shards, Logger: quiet,
		})
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() {
			if err := nodes[i].Close(); err != nil {
				t.Error(err)
			}
		})
	}
	for _, n := range nodes {
		for end := time.Now().Add(patience); n.Ready() != nil; time.Sleep(time.Millisecond) {
			if time.Now().After(end) {
				t.Fatal(n.Ready())
			}
		}
	}
	return nodes, links
}

func TestNodes(t *testing.T) {
	t.Parallel()
	s := newSite(t, "")
	tab := s.open("#/")
	says(t, tab, "#link", "live")
	if browser.Value[bool](t, tab, `document.querySelector("nav [data-section=nodes]").checkVisibility()`) {
		t.Error("a single server has a section of nodes")
	}
	browser.Visit(t, tab, s.url+"/console#/nodes")
	says(t, tab, "main", "There is no section")

	nodes, links := openNodes(t)
	s = newSite(t, "", func(o *wirepost.Options) { o.Engine = nodes[1] })
	tab = s.open("#/")
	browser.Click(t, tab, "nav [data-section=nodes]")
	says(t, tab, "h1", "3 of 3 nodes ready")
	says(t, tab, `[data-node=a]`, "a", "ready", "v1.2.3", "https://a.example.com")
	says(t, tab, `[data-node=b]`, "this node")
	s.client("42")
	says(t, tab, `[data-node=b] [data-fact=connections]`, "1")
	browser.Wait(t, tab, `document.querySelectorAll("[data-shard]").length === 2 && /\d/.test(document.querySelector("[data-shard='1'] td.number").textContent)`)

	// Positions move, and a node that is gone is shown.
	before := browser.Value[string](t, tab, `document.querySelector("[data-shard='1']").textContent`)
	browser.Wait(t, tab, fmt.Sprintf(`document.querySelector("[data-shard='1']").textContent !== %q`, before))
	links[2].Cut(true, true)
	says(t, tab, `[data-node=c] .pill`, "unreachable")
	says(t, tab, `[data-node=c] .reason`, "it has announced nothing for")
	says(t, tab, `[data-node=c] [data-fact=lag]`, "unknown")
	says(t, tab, "h1", "2 of 3 nodes ready")
	for _, scheme := range []string{"light", "dark"} {
		browser.Run(t, tab, prefer(scheme))
		for _, width := range []int64{360, 1280} {
			browser.Device(t, tab, width, 740)
			if wide := browser.Value[int64](t, tab, "document.documentElement.scrollWidth"); wide > width {
				t.Errorf("it is %d wide on a screen of width %d: %s", wide, width, browser.Value[string](t, tab, widest))
			}
			accessible(t, tab)
			browser.Screenshot(t, tab, fmt.Sprintf("nodes-%d-%s", width, scheme))
		}
	}
	links[2].Cut(false, false)
	says(t, tab, "h1", "3 of 3 nodes ready")
	clean(t, tab)
}
