// The panel of events: the endpoints that they are sent to, and the latest events. It is
// shown if events are written.
import * as api from "./api.js";
import { h, list, panel, text } from "./dom.js";
import { duration, latency, plural, when, whole } from "./format.js";

const shownEvents = 12;

export function eventsPanel() {
  const endpoints = h("tbody");
  const table = h(
    "table", { class: "backend" },
    h("thead", {}, h("tr", {}, ["Endpoint", "State"].map((n) => h("th", { scope: "col" }, n)), ["Delivered", "Behind", "Latency"].map((n) => h("th", { scope: "col", class: "number" }, n)))),
    endpoints,
  );
  const tail = h("tbody");
  const none = h("p", { class: "empty" }, "Nothing has happened yet.");
  const totals = h("p", { class: "soft" });
  const latestTable = h(
    "table", { class: "events" },
    h("thead", {}, h("tr", {}, ["Time", "Event", "About"].map((n) => h("th", { scope: "col" }, n)))),
    tail,
  );
  const scroll = h("div", { class: "scroll" }, table);
  const element = panel("Events", scroll, none, latestTable, totals);
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

  let after = null;
  let reading = false;
  let latest = [];
  const read = async (seq) => {
    if (reading || after !== null && seq <= after) return;
    reading = true;
    try {
      // Sequences have holes, so there may be fewer than shownEvents at first.
      const { events, next } = await api.events(after ?? Math.max(0, seq - 2 * shownEvents));
      after = next;
      latest = events.reverse().concat(latest).slice(0, shownEvents);
    } catch {
      // The next beat tries again, and the pulse shows what is wrong.
    } finally {
      reading = false;
    }
  };
  return {
    element,
    update(now) {
      element.hidden = !now;
      if (!now) return;
      read(now.seq);
      readers(now.readers, (r) => r.target);
      scroll.hidden = now.readers.length === 0;
      rows(latest, (e) => e.seq);
      none.hidden = latest.length > 0;
      latestTable.hidden = latest.length === 0;
      text(totals, `${whole(now.written)} written by this server${now.lost ? `, ${plural(now.lost, "event")} lost` : ""}`);
    },
  };
}

function stateOf(r) {
  if (!r.active) return "another node delivers";
  const gaps = r.gaps ? `, ${plural(r.gaps, "gap")}` : "";
  if (r.error) return `fails for ${duration(r.lag_ms)}: ${r.error}${gaps}`;
  if (r.lag_ms >= 1000) return `lags by ${duration(r.lag_ms)}${gaps}`;
  return `delivers${gaps}`;
}

// about says in a few words what an event concerns.
function about({ user, data }) {
  const words = [user, data.channel, data.device, data.seq && `up to ${data.seq}`, data.code && `${data.code} ${data.reason ?? ""}`.trim()];
  if (data.member !== undefined) words.push(data.member ? "joined" : "left");
  if (data.duration_ms !== undefined) words.push(duration(data.duration_ms));
  if (data.count) words.push(`${plural(data.count, "event")} lost`);
  return words.filter(Boolean).join(" · ");
}
