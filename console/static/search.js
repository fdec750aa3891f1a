// The field in which a user or a channel is looked for.
import { field, h } from "./dom.js";

// search gives a form that leads to #/section/name.
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
    return "%EF%BF%BD"; // half a letter
  }
}
