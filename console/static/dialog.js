// Dialogs: confirmation of operations that cannot be undone, and the shortcuts.
import { h } from "./dom.js";

export const isOpen = () => document.querySelector("dialog[open]") !== null;

function open(dialog) {
  document.body.append(dialog);
  dialog.addEventListener("close", () => dialog.remove());
  dialog.showModal();
}

// confirmed asks for confirmation and resolves to the answer; Escape means no.
export function confirmed(title, question, yes) {
  return new Promise((resolve) => {
    const dialog = h(
      "dialog", { "aria-labelledby": "dialog-title" },
      h(
        "form", { method: "dialog" },
        h("h2", { id: "dialog-title" }, title),
        h("p", {}, question),
        h(
          "div", { class: "actions" },
          h("button", { value: "no", autofocus: true }, "Cancel"),
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
  cluster ? ["1 – 5", "Overview, Users, Channels, Playground, Nodes"] : ["1 – 4", "Overview, Users, Channels, Playground"],
  ["/", "Go to the search field"],
  ["Enter", "Submit a form; in text to send: Ctrl + Enter"],
  ["t", "Switch between light and dark"],
  ["?", "These shortcuts"],
  ["Esc", "Close a dialog"],
];

export function showShortcuts(settings) {
  const close = h("button", { type: "button", autofocus: true }, "Close");
  const dialog = h(
    "dialog", { "aria-labelledby": "dialog-title" },
    h("h2", { id: "dialog-title" }, "Keyboard shortcuts"),
    h("dl", { class: "keys" }, shortcuts(settings).map(([key, meaning]) => [h("dt", {}, h("kbd", {}, key)), h("dd", {}, meaning)])),
    h("div", { class: "actions" }, close),
  );
  close.addEventListener("click", () => dialog.close());
  open(dialog);
}
