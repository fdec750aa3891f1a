// The nodes of the cluster, as the node knows them that serves the page, and the log that
// they share.
import * as api from "./api.js";
import { fill, h, list, notice, panel, text } from "./dom.js";
import { duration, whole } from "./format.js";
import { repeat } from "./pulse.js";
import { has, said, t } from "./words.js";

const every = 1000;

// colours are the states of a pill, by the state of a node.
const colours = { ready: "live", catching_up: "wait", snapshot: "wait", draining: "wait" };

export function show(main) {
  const said = notice();
  const count = h("span", { class: "pill plain" });
  const facts = h("p", { class: "soft totals" });
  const shown = h("div", {}, h("p", { class: "empty" }, t("loading")));
  const cards = h("ul", { class: "nodes" });
  const rows = list(cards, card);
  const log = logPanel();
  fill(main, h("div", { class: "title" }, h("h1", {}, t("nodes"), " ", count)), said.element, shown);

  const refresh = repeat(every, async (over) => {
    const cluster = await api.cluster();
    if (over()) return;
    if (!cards.isConnected) fill(shown, cards, log.element, facts);
    said.clear();
    const ready = cluster.nodes.filter((n) => n.state === "ready").length;
    text(count, t("nodes.ready", { ready, n: cluster.nodes.length }));
    rows(cluster.nodes.map((n) => ({ ...n, self: n.node === cluster.node })), (n) => n.node);
    log.update(cluster);
    text(facts, t("nodes.facts", cluster));
  }, (error) => said.fail(error));
  return refresh.stop;
}

// card shows one node.
function card(node) {
  const state = h("span", { class: "pill" });
  const self = h("span", { class: "tag", title: t("node.this.what") }, t("node.this"));
  const reason = h("p", { class: "reason" });
  const facts = Object.fromEntries(["connections", "lag", "version", "url"].map((name) => [name, h("dd", { "data-fact": name })]));
  return {
    element: h(
      "li", { class: "panel", "data-node": node.node },
      h("div", { class: "head" }, h("h2", {}, h("bdi", { class: "name" }, node.node), " ", self), state),
      reason,
      h("dl", { class: "facts" }, Object.entries(facts).map(([name, value]) => [h("dt", {}, name === "url" ? "URL" : t(name)), value])),
    ),
    update(now) {
      self.hidden = !now.self;
      state.dataset.state = colours[now.state] ?? "bad";
      text(state, has(`node.${now.state}`) ? t(`node.${now.state}`) : now.state);
      reason.hidden = !now.reason;
      reason.dataset.state = state.dataset.state;
      text(reason, said(now.reason ?? ""));
      text(facts.connections, whole(now.connections));
      text(facts.lag, lag(now));
      text(facts.version, now.version || t("unknown"));
      link(facts.url, now.url);
    },
  };
}

// lag says how far a node is behind. That of a node which is silent is not known.
const lag = ({ lag_ms: ms, state }) => (state === "unreachable" ? t("unknown") : ms === 0 ? t("lag.none") : ms < 1000 ? `${whole(ms)} ms` : duration(ms));

// link shows a URL. Only those that lead to a page are links.
function link(element, url) {
  if (element.textContent === (url || t("unknown"))) return;
  fill(element, /^https?:\/\//.test(url) ? h("a", { href: `${url}/console#/nodes`, rel: "noreferrer" }, url) : url || t("unknown"));
}

// logPanel shows who leads each shard of the log, and how far each node has applied it.
function logPanel() {
  const head = h("tr");
  const body = h("tbody");
  let columns = "";
  return {
    element: panel(
      t("log"), h("p", { class: "soft" }, t("log.what")),
      h("div", { class: "scroll" }, h("table", { class: "log" }, h("thead", {}, head), body)),
    ),
    update({ leader, nodes }) {
      const names = nodes.map((n) => n.node);
      if (columns !== names.join("\n")) {
        columns = names.join("\n");
        fill(head, [t("shard"), t("leader")].map((name) => h("th", { scope: "col" }, name)), names.map((name) => h("th", { scope: "col", class: "number" }, h("bdi", { class: "name" }, name))));
      }
      const shards = [...new Set(nodes.flatMap((n) => Object.keys(n.positions)))].sort((a, b) => a - b);
      fill(body, shards.map((shard) => h(
        "tr", { "data-shard": shard },
        h("td", {}, shard), h("td", {}, h("bdi", { class: "name" }, leader[shard] ?? t("unknown"))),
        nodes.map((n) => h("td", { class: n.state === "ready" ? "number" : "number soft" }, shard in n.positions ? whole(n.positions[shard]) : "–")),
      )));
    },
  };
}
