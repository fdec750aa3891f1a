// The tail of the log of events, with filters. Where events are off, how to turn them on.
import { step } from "./code.js";
import { field, fill, h, list, panel, text } from "./dom.js";
import { about, reader } from "./event.js";
import { when } from "./format.js";
import { listen } from "./pulse.js";
import { parts, t } from "./words.js";

const back = 1000; // events that are read first
const most = 2000; // events that are kept
const shownAtOnce = 200;

const types = [
  "user.*", "session.*", "message.*", "channel.*", "user.online", "user.offline", "session.connected", "session.disconnected",
  "message.acknowledged", "message.read", "message.unacknowledged", "channel.occupied", "channel.vacated", "membership.changed", "gap",
];

export function show(main) {
  const tail = tailPanel();
  const off = offPanel();
  const shown = h("div", {}, h("p", { class: "empty" }, t("loading")));
  fill(main, h("div", { class: "title" }, h("h1", {}, t("events"), " ", tail.state), tail.tools), shown);
  return listen(({ state, stats }) => {
    if (state !== "live") return;
    const now = stats.events ? tail.element : off;
    tail.tools.hidden = tail.state.hidden = !stats.events;
    if (shown.firstElementChild !== now) fill(shown, now);
    if (stats.events) tail.update(stats.events.seq);
  });
}

function tailPanel() {
  const type = h("select", {}, h("option", { value: "" }, t("events.type.any")), types.map((value) => h("option", { value }, value)));
  const words = h("input", { type: "search", autocomplete: "off", autocapitalize: "off", spellcheck: "false", placeholder: "user:42, room:" });
  const pause = h("button", { type: "button", "aria-pressed": "false" }, t("events.pause"));
  const state = h("span", { class: "pill", "data-state": "live", role: "status" }, t("events.live"));
  const count = h("p", { class: "soft" });
  const none = h("p", { class: "empty" }, t("events.none"));
  const body = h("tbody");
  const table = h("table", { class: "events tail" }, h("thead", {}, h("tr", {}, ["time", "event", "about"].map((key) => h("th", { scope: "col" }, t(key))))), body);
  const rows = list(body, (e) => ({
    element: h("tr", { "data-event": e.type }, h("td", {}, when(e.time)), h("td", { class: "name" }, e.type), h("td", { class: "name" }, about(e))),
    update() {},
  }));
  const log = reader(back);
  let all = []; // newest first
  let paused = false;
  let waiting = []; // since the pause

  const draw = () => {
    const found = all.filter((e) => matches(e, type.value, words.value.trim()));
    rows(found.slice(0, shownAtOnce), (e) => e.seq);
    table.hidden = found.length === 0;
    none.hidden = found.length > 0;
    text(none, t(all.length === 0 ? "events.none" : "events.unmatched"));
    text(count, all.length === 0 ? "" : t("events.shown", { shown: Math.min(found.length, shownAtOnce), read: all.length }));
  };
  const showState = () => {
    state.dataset.state = paused ? "wait" : "live";
    text(state, paused ? t("events.paused", { n: waiting.length }) : t("events.live"));
  };
  const take = () => {
    all = waiting.concat(all).slice(0, most);
    waiting = [];
    draw();
  };
  pause.addEventListener("click", () => {
    paused = !paused;
    pause.setAttribute("aria-pressed", paused);
    text(pause, t(paused ? "events.go" : "events.pause"));
    if (!paused) take();
    showState();
  });
  type.addEventListener("input", draw);
  words.addEventListener("input", draw);
  return {
    element: panel(t("events.latest"), h("div", { class: "row filters" }, field(t("events.type"), type), field(t("events.about"), words)), none, h("div", { class: "scroll" }, table), count),
    tools: h("div", { class: "actions" }, pause),
    state,
    async update(seq) {
      const found = await log.read(seq);
      waiting = found.concat(waiting).slice(0, most);
      if (!paused && (found.length > 0 || all.length === 0)) take();
      showState();
    },
  };
}

// matches reports whether an event is of a type, or of a group of types, and concerns a channel
// or a user whose name contains the words.
function matches({ type, user = "", data }, wanted, words) {
  const kind = wanted === "" || wanted === type || (wanted.endsWith("*") && type.startsWith(wanted.slice(0, -1)));
  return kind && [`user:${user}`, data.channel ?? ""].some((name) => name.includes(words));
}

function offPanel() {
  return panel(
    t("events.off"),
    h("p", {}, parts("events.off.what", { path: h("code", {}, "GET /v1/events") })),
    h(
      "ol", { class: "steps" },
      step(t("events.off.flag"), "--events-types '*'\n--events-types 'user.*' --events-types message.unacknowledged"),
      step(t("events.off.url"), "--events-url https\u003a//app.example/events --events-secret whsec_…"),
      step(t("events.off.file"), "events:\n  endpoints:\n    - types: [user.*, session.*]"),
    ),
  );
}
