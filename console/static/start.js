// The first steps, shown in development.
import { step } from "./code.js";
import { h, panel } from "./dom.js";
import { parts, t } from "./words.js";

export function start() {
  const base = location.origin;
  const socket = `${base.replace(/^http/, "ws")}/ws?user=42`;
  return panel(
    t("start"),
    h(
      "ol", { class: "steps" },
      step(t("start.push"), `curl -d hello ${base}/v1/push/user:42`),
      step(t("start.connect"), `const ws = new WebSocket("${socket}")\nws.onmessage = (event) => console.log(event.data)`),
      h("li", {}, parts("start.playground", {
        playground: h("a", { href: "#/playground" }, t("start.playground.link")), user: h("a", { href: "#/users/42" }, t("start.user")),
      })),
    ),
    h("p", { class: "soft" }, parts("start.note", {
      flag: h("code", {}, "--allow-origin"), api: h("a", { href: "/v1/openapi.json" }, "openapi.json"), metrics: h("a", { href: "/metrics" }, t("metrics")),
    })),
  );
}
