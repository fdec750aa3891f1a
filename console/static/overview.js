// The overview: the current state and the last five minutes.
import * as history from "./history.js";
import { chart } from "./chart.js";
import { fill, h, list, panel, text } from "./dom.js";
import { eventsPanel } from "./events.js";
import { hooksPanel } from "./hooks.js";
import { bytes, deviceName, duration, plural, rate, whole } from "./format.js";
import { listen } from "./pulse.js";
import { start } from "./start.js";

// Under load a client may be slow for a moment; it is shown only if it stays slow.
const patience = 2000;

export function show(main, _, settings) {
  const tiles = {
    connections: tile("Connections"),
    users: tile("Users"),
    in: tile("Messages in", "/s"),
    out: tile("Messages out", "/s"),
    memory: tile("Memory"),
    slow: tile("Slow sessions"),
  };
  const charts = [
    { plot: chart("Messages in and out per second", "/s", [
      { label: "out", colour: "b", fill: true }, { label: "in", colour: "a", dash: [5, 4] },
    ]), of: ["at", "out", "in"], title: "Messages per second" },
    { plot: chart("Connections", "", [{ label: "connections", colour: "c", fill: true }]), of: ["at", "connections"], title: "Connections" },
    { plot: chart("Memory in MiB", " MiB", [{ label: "memory", colour: "d", fill: true }]), of: ["at", "memory"], title: "Memory, MiB" },
  ];
  const slow = slowPanel();
  const channels = channelsPanel();
  const hooks = hooksPanel();
  const events = eventsPanel();
  const totals = h("p", { class: "soft totals" });

  fill(
    main,
    h("h1", { class: "hidden" }, "Overview"),
    h("div", { class: "tiles" }, Object.values(tiles).map((t) => t.element)),
    h("div", { class: "charts" }, charts.map((c) => panel(c.title, c.plot.element))),
    h("div", { class: "pair" }, channels.element, slow.element),
    hooks.element,
    events.element,
    totals,
  );
  let steps = settings.dev ? start() : null;

  const end = listen(({ state, stats }) => {
    for (const c of charts) c.plot.update(c.of.map((name) => history.columns[name]));
    const live = state === "live";
    main.classList.toggle("stale", !live);
    if (live) {
      hooks.update(stats.hooks);
      events.update(stats.events);
    }
    if (!live || !stats.top) return;
    if (steps && (stats.pushes || stats.connections)) totals.before(steps);
    else if (steps) main.querySelector(".tiles").before(steps);
    steps = null;
    tiles.connections.set(whole(stats.connections), plural(stats.channels, "channel"));
    tiles.users.set(whole(stats.users), "connected");
    for (const name of ["in", "out"]) {
      const now = history.latest(name);
      tiles[name].set(now === null ? "–" : rate(now), `${whole(name === "in" ? stats.pushes : stats.deliveries)} in total`);
    }
    tiles.memory.set(bytes(stats.memory_bytes), stats.connections >= 100 ? `${bytes(Math.round(stats.memory_bytes / stats.connections))} per connection` : "of the process");
    const stuck = slow.update(stats.top);
    tiles.slow.set(whole(stuck), stuck ? "lagging" : "no client lags", stuck > 0);
    channels.update(stats.top.channels);
    text(totals, `Up ${duration(stats.uptime_ms)} · ${whole(stats.acks)} acknowledged · ${plural(stats.gaps, "gap")} · store ${stats.epoch}`);
  }, true);
  return () => {
    end();
    main.classList.remove("stale");
    for (const c of charts) c.plot.destroy();
  };
}

function tile(label, unit = "") {
  const value = h("span", { class: "value" }, "–");
  const note = h("small", {}, "\u00a0");
  const element = h(
    "div", { class: "tile", "data-tile": label.toLowerCase() },
    h("span", { class: "label" }, label), h("span", {}, value, unit ? h("span", { class: "unit" }, unit) : null), note,
  );
  return {
    element,
    set(now, words, warn = false) {
      text(value, now);
      text(note, words);
      element.classList.toggle("warn", warn);
    },
  };
}

export const userLink = (name) => h("a", { class: "name", href: `#/users/${encodeURIComponent(name)}` }, name);

// channelLink links an inbox to its user.
export function channelLink(name) {
  const href = name.startsWith("user:") ? `#/users/${encodeURIComponent(name.slice(5))}` : `#/channels/${encodeURIComponent(name)}`;
  return h("a", { class: "name", href }, name);
}

const columns = (...names) => h("thead", {}, h("tr", {}, names.map((n) => h("th", { scope: "col", class: n.startsWith("#") ? "number" : "" }, n.replace("#", "")))));

function channelsPanel() {
  const body = h("tbody");
  const table = h("table", { hidden: true }, columns("Channel", "#Head", "#Subscribers"), body);
  const none = h("p", { class: "empty" }, "No connections. A channel is listed while it has subscribers.");
  const rows = list(body, (c) => {
    const head = h("td", { class: "number" });
    const subscribers = h("td", { class: "number" });
    return {
      element: h("tr", { "data-channel": c.channel }, h("td", {}, channelLink(c.channel)), head, subscribers),
      update(now) {
        text(head, whole(now.head));
        text(subscribers, whole(now.subscribers));
      },
    };
  });
  return {
    element: panel("Largest channels", none, table),
    update(all) {
      none.hidden = all.length > 0;
      table.hidden = all.length === 0;
      rows(all, (c) => c.channel);
    },
  };
}

function slowPanel() {
  const since = new Map(); // connection → time when it was first slow
  const body = h("tbody");
  const table = h("table", { hidden: true }, columns("User", "Reason", "#Pending", "#For"), body);
  const none = h("p", { class: "empty" }, "No client is slow.");
  const more = h("p", { class: "soft", hidden: true });
  const rows = list(body, (s) => {
    const because = h("td");
    const waiting = h("td", { class: "number" });
    const time = h("td", { class: "number" });
    return {
      element: h("tr", {}, h("td", {}, userLink(s.user), h("small", {}, deviceName(s.session.device))), because, waiting, time),
      update(now) {
        text(because, now.reason === "socket" ? "does not read" : "does not acknowledge");
        text(waiting, now.reason === "socket" ? bytes(now.unsent_bytes) : plural(now.in_flight, "message"));
        text(time, duration(Date.now() - since.get(now.session.connection)));
      },
    };
  });
  const stay = ({ slow }) => {
    const here = new Set(slow.map((s) => s.session.connection));
    for (const c of since.keys()) if (!here.has(c)) since.delete(c);
    for (const c of here) if (!since.has(c)) since.set(c, Date.now());
    return slow.filter((s) => Date.now() - since.get(s.session.connection) >= patience);
  };
  return {
    element: panel("Slow sessions", none, table, more),
    // update returns their number.
    update(top) {
      const slow = stay(top);
      const beyond = top.slow_count - top.slow.length;
      rows(slow, (s) => s.session.connection);
      none.hidden = slow.length > 0;
      table.hidden = slow.length === 0;
      more.hidden = beyond === 0;
      text(more, `and ${whole(beyond)} more`);
      return slow.length + beyond;
    },
  };
}
