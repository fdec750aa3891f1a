// The panel of hooks: whether the backend responds. It is shown if there are hooks.
import { h, list, panel, text } from "./dom.js";
import { latency, when, whole } from "./format.js";
import { said, t } from "./words.js";

const columns = [t("hook"), "URL", t("state")];
const numbers = [t("requests"), t("failed"), t("refused.count"), t("latency")];

export function hooksPanel() {
  const body = h("tbody");
  const table = h(
    "table", { class: "backend" },
    h("thead", {}, h("tr", {}, columns.map((n) => h("th", { scope: "col" }, n)), numbers.map((n) => h("th", { scope: "col", class: "number" }, n)))),
    body,
  );
  const element = panel(t("hooks"), h("div", { class: "scroll" }, table));
  element.hidden = true;
  const rows = list(body, (hook) => {
    const state = h("td", { class: "why" });
    const cells = numbers.map(() => h("td", { class: "number" }));
    return {
      element: h("tr", { "data-hook": hook.hook }, h("td", { class: "name" }, hook.hook), h("td", { class: "name" }, hook.url), state, cells),
      update(now) {
        const { ok = 0, refused = 0, failed = 0, timeout = 0, busy = 0, open = 0 } = now.requests;
        text(state, stateOf(now));
        state.classList.toggle("bad", now.breaker_open || now.failures > 0);
        const missed = failed + timeout + busy + open;
        [whole(ok + refused + missed), whole(missed), whole(refused), now.latency_ms ? latency(now.latency_ms) : "–"].forEach((value, i) => text(cells[i], value));
      },
    };
  });
  return {
    element,
    update(hooks) {
      element.hidden = !hooks;
      if (hooks) rows(hooks, (hook) => hook.hook);
    },
  };
}

function stateOf({ breaker_open: open, failures, requests, last_error: last, last_error_at: at }) {
  const error = said(last ?? "");
  if (open) return t("hook.open", { n: failures, error });
  if (failures) return t("hook.failing", { n: failures, error });
  if (error) return t("hook.failed", { when: when(at), error });
  return t(Object.keys(requests).length ? "hook.good" : "hook.new");
}
