// Scheduled pushes, which can be canceled.
import * as api from "./api.js";
import { confirmed } from "./dialog.js";
import { field, fill, h, list, notice, panel, text } from "./dom.js";
import { duration, when } from "./format.js";
import { channelLink } from "./links.js";
import { repeat } from "./pulse.js";
import { t } from "./words.js";

const size = 50;
const every = 5000;

export function show(main, name) {
  const to = h("input", { type: "search", value: name, autocomplete: "off", autocapitalize: "off", spellcheck: "false", maxlength: "200", placeholder: "user:42, news" });
  const submit = (event) => {
    event.preventDefault();
    location.hash = to.value.trim() ? `#/scheduled/${encodeURIComponent(to.value.trim())}` : "#/scheduled";
  };
  const said = notice();
  const none = h("p", { class: "empty" }, t("loading"));
  const more = h("button", { type: "button", hidden: true }, t("more"));
  const body = h("tbody");
  const table = h(
    "table", { class: "scheduled", hidden: true },
    h("thead", {}, h("tr", {}, [t("scheduled.to"), "ID", t("scheduled.at")].map((word) => h("th", { scope: "col" }, word)), h("td"))), body,
  );
  let shown = size;

  const cancel = async (one) => {
    if (!(await confirmed(t("scheduled.sure"), t("scheduled.asked", one), t("scheduled.yes"), t("scheduled.no")))) return;
    try {
      await api.cancel(one.id, one.to);
      said.say(t("scheduled.canceled", one));
    } catch (error) {
      said.fail(error);
    }
    refresh.now();
  };
  const rows = list(body, (one) => {
    const left = h("small");
    const button = h("button", { type: "button", class: "danger small", "aria-label": t("scheduled.which", one) }, t("scheduled.cancel"));
    button.addEventListener("click", () => cancel(one));
    return {
      element: h(
        "tr", { "data-scheduled": one.id },
        h("td", {}, channelLink(one.to)), h("td", { class: "name" }, one.id), h("td", {}, when(one.at), left), h("td", { class: "act" }, button),
      ),
      update: ({ at }) => text(left, at > Date.now() ? t("scheduled.in", { time: duration(at - Date.now()) }) : t("scheduled.due")),
    };
  });
  more.addEventListener("click", () => {
    shown += size;
    refresh.now();
  });
  fill(
    main,
    h("div", { class: "title" }, h("h1", {}, t("scheduled")), h("form", { class: "search beside", role: "search", onsubmit: submit }, field(t("scheduled.to"), to), h("button", {}, t("find")))),
    panel(t("scheduled.what"), said.element, none, h("div", { class: "scroll" }, table), h("p", {}, more)),
  );
  const refresh = repeat(every, async (over) => {
    const pushes = await read(name, shown);
    if (over()) return;
    rows(pushes, (one) => `${one.to} ${one.id}`);
    table.hidden = pushes.length === 0;
    none.hidden = pushes.length > 0;
    text(none, t("scheduled.none"));
    more.hidden = pushes.length < shown;
  }, (error) => said.fail(error));
  return refresh.stop;
}

// read reads the first pushes, page by page.
async function read(to, count) {
  let found = [];
  for (let after = ""; found.length < count;) {
    const limit = Math.min(1000, count - found.length);
    const { scheduled, next } = await api.scheduled(to, after, limit);
    found = found.concat(scheduled);
    if (scheduled.length < limit) break;
    after = next;
  }
  return found;
}
