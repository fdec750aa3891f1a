// Dialogs: confirmation of operations that cannot be undone, and the shortcuts.
import { h } from "./dom.js";
import { t } from "./words.js";

export const isOpen = () => document.querySelector("dialog[open]") !== null;

function open(dialog) {
  document.body.append(dialog);
  dialog.addEventListener("close", () => dialog.remove());
  dialog.showModal();
}

// confirmed asks for confirmation and resolves to the answer; Escape means no.
export function confirmed(title, question, yes, no = t("cancel")) {
  return new Promise((resolve) => {
    const dialog = h(
      "dialog", { "aria-labelledby": "dialog-title" },
      h(
        "form", { method: "dialog" },
        h("h2", { id: "dialog-title" }, title),
        h("p", {}, question),
        h(
          "div", { class: "actions" },
          h("button", { value: "no", autofocus: true }, no),
          h("button", { value: "yes", class: "danger" }, yes),
        ),
      ),
    );
    for (const button of dialog.querySelectorAll("button")) {
      button.addEventListener("click", (event) => {
        event.preventDefault();
        dialog.close(button.value);
      });
    }
    dialog.addEventListener("close", () => resolve(dialog.returnValue === "yes"));
    open(dialog);
  });
}

const shortcuts = ({ cluster }) => [
  [cluster ? "1 – 9" : "1 – 8", t("keys.sections")],
  ["/", t("keys.search")],
  ["Enter", t("keys.enter")],
  ["t", t("keys.theme")],
  ["?", t("keys.help")],
  ["Esc", t("keys.escape")],
];

export function showShortcuts(settings) {
  const close = h("button", { type: "button", autofocus: true }, t("close"));
  const dialog = h(
    "dialog", { "aria-labelledby": "dialog-title" },
    h("h2", { id: "dialog-title" }, t("shortcuts")),
    h("dl", { class: "keys" }, shortcuts(settings).map(([key, meaning]) => [h("dt", {}, h("kbd", {}, key)), h("dd", {}, meaning)])),
    h("div", { class: "actions" }, close),
  );
  close.addEventListener("click", () => dialog.close());
  open(dialog);
}
