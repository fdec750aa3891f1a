// The panel of events: the endpoints that they are sent to, and the latest events. It is
// shown if events are written.
import * as api from "./api.js";
import { h, list, panel, text } from "./dom.js";
import { duration, plural, whole } from "./format.js";

const shownEvents = 12;

export function eventsPanel() {
  const endpoints = h("tbody");
  const table = h(
    "table", { hidden: true },
    h("thead", {}, h("tr", {}, ["Endpoint", "State"].map((n) => h("th", { scope: "col" }, n)), ["Delivered", "Behind"].map((n) => h("th", { scope: "col", class: "number" }, n)))),
    endpoints,
  );
  const tail = h("tbody");
  const none = h("p", { class: "empty" }, "Nothing has happened yet.");
  const totals = h("p", { class: "soft" });
  const element = panel("Events", table, none, h("table", { class: "events" }, tail), totals);
  element.hidden = true;

  const readers = list(endpoints, (r) => {
    const state = h("td");
    const delivered = h("td", { class: "number" });
    const behind = h("td", { class: "number" });
    return {
      element: h("tr", { "data-endpoint": r.target }, h("td", { class: "name" }, r.target), state, delivered, behind),
      update(now) {
        text(state, stateOf(now));
        state.classList.toggle("bad", Boolean(now.error));
        text(delivered, whole(now.delivered));
        text(behind, now.active ? whole(now.behind) : "–");
      },
    };
  });
  const rows = list(tail, (e) => ({
    element: h("tr", { "data-event": e.type }, h("td", {}, new Date(e.time).toLocaleTimeString()), h("td", {}, e.type), h("td", {}, about(e))),
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
      table.hidden = now.readers.length === 0;
      rows(latest, (e) => e.seq);
      none.hidden = latest.length > 0;
      text(totals, `${whole(now.written)} written by this server${now.lost ? `, ${plural(now.lost, "event")} lost` : ""}`);
    },
  };
}

function stateOf(r) {
  if (!r.active) return "another node delivers";
  if (r.error) return `fails for ${duration(r.lag_ms)}: ${r.error}`;
  return "delivers";
}

// about says in a few words what an event concerns.
function about({ user, data }) {
  const words = [user, data.channel, data.device, data.seq && `up to ${data.seq}`, data.code && `${data.code} ${data.reason ?? ""}`.trim()];
  if (data.member !== undefined) words.push(data.member ? "joined" : "left");
  if (data.duration_ms !== undefined) words.push(duration(data.duration_ms));
  if (data.count) words.push(`${plural(data.count, "event")} lost`);
  return words.filter(Boolean).join(" · ");
}
