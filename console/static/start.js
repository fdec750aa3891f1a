// The first steps, shown in development.
import { h, panel } from "./dom.js";

export function start() {
  const base = location.origin;
  const socket = `${base.replace(/^http/, "ws")}/ws?user=42`;
  return panel(
    "Start here",
    h(
      "ol", { class: "steps" },
      step("Push to an offline user", `curl -d hello ${base}/v1/push/user:42`),
      step("Connect as that user, in your own page or in the developer tools of this one", `const ws = new WebSocket("${socket}")\nws.onmessage = (event) => console.log(event.data)`),
      h("li", {}, "Or open a socket in the ", h("a", { href: "#/playground" }, "playground"), ", and look at ", h("a", { href: "#/users/42" }, "user 42"), "."),
    ),
    h("p", { class: "soft" }, "This server listens on loopback only and requires no keys. A page of another origin needs ", h("code", {}, "--allow-origin"), ". The API: ", h("a", { href: "/v1/openapi.json" }, "openapi.json"), ", ", h("a", { href: "/metrics" }, "metrics"), "."),
  );
}

function step(words, code) {
  const copy = h("button", { type: "button", class: "quiet", "aria-label": `Copy: ${words}` }, "Copy");
  copy.addEventListener("click", async () => {
    try {
      await navigator.clipboard.writeText(code);
      copy.textContent = "Copied";
    } catch {
      copy.textContent = "Not allowed";
    }
    setTimeout(() => (copy.textContent = "Copy"), 1500);
  });
  return h("li", {}, words, h("div", { class: "code" }, h("pre", {}, code), copy));
}
