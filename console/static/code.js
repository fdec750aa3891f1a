// Code to copy.
import { h } from "./dom.js";
import { t } from "./words.js";

// step is an item of a list: what the code is for, and the code.
export function step(words, code) {
  const copy = h("button", { type: "button", class: "quiet", "aria-label": t("copy.what", { what: words }) }, t("copy"));
  copy.addEventListener("click", async () => {
    try {
      await navigator.clipboard.writeText(code);
      copy.textContent = t("copied");
    } catch {
      copy.textContent = t("copy.refused");
    }
    setTimeout(() => (copy.textContent = t("copy")), 1500);
  });
  return h("li", {}, words, h("div", { class: "code" }, h("pre", { tabindex: "0" }, code), copy));
}
