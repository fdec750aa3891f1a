// The settings in effect: each with its value and its origin.
import * as api from "./api.js";
import { field, fill, h, list, panel } from "./dom.js";
import { parts, t } from "./words.js";

export function show(main) {
  const shown = h("div", {}, h("p", { class: "empty" }, t("loading")));
  fill(main, h("h1", {}, t("settings")), shown);
  api.config().then(({ settings }) => fill(shown, table(settings)), (error) => {
    const known = { 403: "settings.admin", 404: "settings.embedded" }[error.status];
    fill(shown, h("p", { class: "empty" }, known ? t(known) : error.message));
  });
}

function table(settings) {
  const words = h("input", { type: "search", autocomplete: "off", spellcheck: "false" });
  const changed = h("input", { type: "checkbox" });
  const none = h("p", { class: "empty", hidden: true }, t("settings.none"));
  const body = h("tbody");
  const rows = list(body, ({ name, value, origin }) => ({
    element: h(
      "tr", { "data-setting": name },
      h("th", { scope: "row", class: "name" }, name), h("td", { class: value === "-" ? "name soft" : "name" }, value),
      h("td", {}, origin === "default" ? h("span", { class: "soft" }, t("origin.default")) : h("span", { class: "tag" }, origin)),
    ),
    update() {},
  }));
  const numbered = settings.map((setting, i) => ({ ...setting, i })); // a name may be there twice
  const draw = () => {
    const wanted = words.value.trim().toLowerCase();
    const found = numbered.filter(({ name, value, origin }) => `${name} ${value}`.toLowerCase().includes(wanted) && !(changed.checked && origin === "default"));
    rows(found, ({ i }) => i);
    none.hidden = found.length > 0;
  };
  words.addEventListener("input", draw);
  changed.addEventListener("input", draw);
  draw();
  return h(
    "div", {},
    h("p", { class: "soft" }, parts("settings.what", { command: h("code", {}, "wirepost config check") })),
    panel(
      t("settings.values"),
      h("div", { class: "row filters" }, field(t("settings.filter"), words), h("label", { class: "check" }, changed, t("settings.changed"))),
      none,
      h("div", { class: "scroll" }, h("table", { class: "settings" }, h("thead", {}, h("tr", {}, ["setting", "value", "origin"].map((key) => h("th", { scope: "col" }, t(key))))), body)),
    ),
  );
}
