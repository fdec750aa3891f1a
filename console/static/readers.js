// The panel of events on the overview: the endpoints that they are sent to, and the latest
// events. It is shown if events are written.
import { h, list, panel, text, Tools } from "./dom.js";
import { about, reader } from "./event.js";
import { duration, latency, when, whole } from "./format.js";
import { said, t } from "./words.js";

const shownEvents = 12;

export function eventsPanel() {
  const endpoints = h("tbody");
  const table = h(
    "table", { class: "backend" },
    h("thead", {}, h("tr", {}, [t("endpoint"), t("state")].map((n) => h("th", { scope: "col" }, n)), [t("delivered"), t("behind"), t("latency")].map((n) => h("th", { scope: "col", class: "number" }, n)))),
    endpoints,
  );
  const tail = h("tbody");
  const none = h("p", { class: "empty" }, t("events.none"));
  const totals = h("p", { class: "soft" });
  const latestTable = h(
    "table", { class: "events tail" },
    h("thead", {}, h("tr", {}, [t("time"), t("event"), t("about")].map((n) => h("th", { scope: "col" }, n)))),
    tail,
  );
  const scroll = h("div", { class: "scroll" }, table);
  const element = panel(t("events"), new Tools(h("a", { href: "#/events" }, t("events.all"))), scroll, none, latestTable, totals);
  element.hidden = true;

  const readers = list(endpoints, (r) => {
    const state = h("td", { class: "why" });
    const delivered = h("td", { class: "number" });
    const behind = h("td", { class: "number" });
    const took = h("td", { class: "number" });
    return {
      element: h("tr", { "data-endpoint": r.target }, h("td", { class: "name" }, r.target), state, delivered, behind, took),
      update(now) {
        text(state, stateOf(now));
        state.classList.toggle("bad", Boolean(now.error));
        text(delivered, whole(now.delivered));
        text(behind, now.active ? whole(now.behind) : "–");
        text(took, now.latency_ms ? latency(now.latency_ms) : "–");
      },
    };
  });
  const rows = list(tail, (e) => ({
    element: h("tr", { "data-event": e.type }, h("td", {}, when(e.time)), h("td", {}, e.type), h("td", {}, about(e))),
    update() {},
  }));

  const log = reader(2 * shownEvents);
  let latest = [];
  return {
    element,
    update(now) {
      element.hidden = !now;
      if (!now) return;
      log.read(now.seq).then((events) => (latest = events.concat(latest).slice(0, shownEvents)));
      readers(now.readers, (r) => r.target);
      scroll.hidden = now.readers.length === 0;
      rows(latest, (e) => e.seq);
      none.hidden = latest.length > 0;
      latestTable.hidden = latest.length === 0;
      text(totals, t("events.written", { n: now.written }) + (now.lost ? t("events.lost", { n: now.lost }) : ""));
    },
  };
}

function stateOf(r) {
  if (!r.active) return t("endpoint.elsewhere");
  const state = r.error ? t("endpoint.fails", { time: duration(r.lag_ms), error: said(r.error) })
    : r.lag_ms >= 1000 ? t("endpoint.lags", { time: duration(r.lag_ms) }) : t("endpoint.good");
  return r.gaps ? t("endpoint.gaps", { state, n: r.gaps }) : state;
}
