// The search field for users and channels.
import { field, h } from "./dom.js";
import { t } from "./words.js";

const inbox = "user:";

// search returns a form that navigates to #/section/name, and to the user of an inbox. typed,
// if any, is called with what is in the field, when it changes.
export function search(section, label, name, hint, typed) {
  const input = h("input", { type: "search", value: name, autocomplete: "off", autocapitalize: "off", spellcheck: "false", maxlength: "200", placeholder: hint });
  const submit = (event) => {
    event.preventDefault();
    const wanted = input.value.trim();
    if (wanted.startsWith(inbox) && wanted !== inbox) location.hash = `#/users/${encode(wanted.slice(inbox.length))}`;
    else location.hash = wanted === "" ? `#/${section}` : `#/${section}/${encode(wanted)}`;
  };
  // The list of users has names without that of the inbox.
  const beginning = () => input.value.trim().slice(section === "users" && input.value.trim().startsWith(inbox) ? inbox.length : 0);
  let timer;
  if (typed) {
    input.addEventListener("input", () => {
      clearTimeout(timer);
      timer = setTimeout(() => typed(beginning()), 200);
    });
  }
  if (!name) queueMicrotask(() => input.focus());
  return h("form", { class: name ? "search beside" : "search", role: "search", onsubmit: submit }, field(label, input), h("button", { class: name ? "" : "main" }, t("find")));
}

function encode(name) {
  try {
    return encodeURIComponent(name);
  } catch {
    return "%EF%BF%BD"; // an unpaired surrogate
  }
}
