// The search field for users and channels.
import { field, h } from "./dom.js";

// search returns a form that navigates to #/section/name.
export function search(section, label, name, hint) {
  const input = h("input", { type: "search", value: name, autocomplete: "off", autocapitalize: "off", spellcheck: "false", maxlength: "200", placeholder: hint });
  const submit = (event) => {
    event.preventDefault();
    const wanted = input.value.trim();
    location.hash = wanted === "" ? `#/${section}` : `#/${section}/${encode(wanted)}`;
  };
  if (!name) queueMicrotask(() => input.focus());
  return h("form", { class: name ? "search beside" : "search", role: "search", onsubmit: submit }, field(label, input), h("button", { class: name ? "" : "main" }, "Find"));
}

function encode(name) {
  try {
    return encodeURIComponent(name);
  } catch {
    return "%EF%BF%BD"; // an unpaired surrogate
  }
}
