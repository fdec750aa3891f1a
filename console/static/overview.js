// The overview: the current state, and the last minutes or the last hour.
import * as history from "./history.js";
import { chart } from "./chart.js";
import { fill, h, panel, text } from "./dom.js";
import { bytes, duration, rate, whole } from "./format.js";
import { hooksPanel } from "./hooks.js";
import { channelsPanel, slowPanel } from "./largest.js";
import { listen } from "./pulse.js";
import { eventsPanel } from "./readers.js";
import { start } from "./start.js";
import { t } from "./words.js";

export function show(main, _, settings) {
  const tiles = {
    connections: tile("connections", t("connections")),
    users: tile("users", t("users")),
    in: tile("messages-in", t("messages.in"), "/s"),
    out: tile("messages-out", t("messages.out"), "/s"),
    memory: tile("memory", t("memory")),
    slow: tile("slow", t("slow")),
  };
  const charts = [
    { of: ["at", "out", "in"], title: t("chart.messages"), unit: "/s", lines: [
      { label: t("line.out"), colour: "b", fill: true }, { label: t("line.in"), colour: "a", dash: [5, 4] },
    ] },
    { of: ["at", "connections"], title: t("connections"), unit: "", lines: [{ label: t("line.connections"), colour: "c", fill: true }] },
    { of: ["at", "memory"], title: t("chart.memory"), unit: " MiB", lines: [{ label: t("line.memory"), colour: "d", fill: true }] },
  ].map((c) => ({ ...c, plot: chart(c.title, c.unit, c.lines) }));
  const slow = slowPanel();
  const channels = channelsPanel();
  const hooks = hooksPanel();
  const events = eventsPanel();
  const totals = h("p", { class: "soft totals" });
  const draw = () => {
    const { span, columns } = history.shown();
    for (const c of charts) c.plot.update(c.of.map((name) => columns[name]), span);
  };

  fill(
    main,
    h("h1", { class: "hidden" }, t("overview")),
    h("div", { class: "tiles" }, Object.values(tiles).map((one) => one.element)),
    spans(draw),
    h("div", { class: "charts" }, charts.map((c) => panel(c.title, c.plot.element))),
    h("div", { class: "pair" }, channels.element, slow.element),
    hooks.element,
    events.element,
    totals,
  );
  let steps = settings.dev ? start() : null;

  const end = listen(({ state, stats }) => {
    draw();
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
    tiles.connections.set(whole(stats.connections), t("n.channels", { n: stats.channels }));
    tiles.users.set(whole(stats.users), t("connected"));
    for (const name of ["in", "out"]) {
      const now = history.latest(name);
      tiles[name].set(now === null ? "–" : rate(now), t("total", { n: name === "in" ? stats.pushes : stats.deliveries }));
    }
    const each = bytes(Math.round(stats.memory_bytes / stats.connections));
    tiles.memory.set(bytes(stats.memory_bytes), stats.connections >= 100 ? t("memory.each", { bytes: each }) : t("memory.process"));
    const stuck = slow.update(stats.top);
    tiles.slow.set(whole(stuck), t(stuck ? "slow.some" : "slow.none"), stuck > 0);
    channels.update(stats.top.channels);
    text(totals, t("totals", { up: duration(stats.uptime_ms), acks: stats.acks, n: stats.gaps, epoch: stats.epoch }));
  }, true);
  return () => {
    end();
    main.classList.remove("stale");
    for (const c of charts) c.plot.destroy();
  };
}

// spans chooses how much of the past the charts show.
function spans(changed) {
  const one = (span, words) => {
    const input = h("input", { type: "radio", name: "span", value: span, checked: history.shown().name === span });
    input.addEventListener("change", () => {
      history.choose(span);
      changed();
    });
    return h("label", {}, input, h("span", {}, words));
  };
  return h(
    "fieldset", { class: "choice" }, h("legend", { class: "hidden" }, t("chart.span")),
    one("hour", t("chart.hour")), one("minutes", t("chart.minutes")),
  );
}

function tile(name, label, unit = "") {
  const value = h("span", { class: "value" }, "–");
  const note = h("small", {}, "\u00a0");
  const element = h(
    "div", { class: "tile", "data-tile": name },
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
