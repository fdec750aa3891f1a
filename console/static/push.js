// The form that pushes a message to a channel.
import * as api from "./api.js";
import { field, h, notice } from "./dom.js";
import { plural, whole } from "./format.js";

// pushForm returns the form for one channel; done is called after a push.
export function pushForm(channel, done) {
  const kind = h("select", { "aria-label": "Kind of data" }, h("option", { value: "text" }, "Text"), h("option", { value: "json" }, "JSON"));
  const data = h("textarea", { rows: "3", spellcheck: "false", required: true, placeholder: "your order has shipped" });
  const key = h("input", { maxlength: "128", autocomplete: "off", spellcheck: "false" });
  const id = h("input", { maxlength: "128", autocomplete: "off", spellcheck: "false" });
  const ttl = h("input", { autocomplete: "off", placeholder: "1h", spellcheck: "false" });
  const button = h("button", { class: "main" }, "Push");
  const said = notice();

  const submit = async (event) => {
    event.preventDefault();
    button.disabled = true;
    try {
      const message = { to: channel, ...content(kind.value, data.value) };
      if (key.value) message.key = key.value;
      if (id.value) message.id = id.value;
      if (ttl.value) message.ttl = ttl.value;
      said.say(told((await api.push(message)).messages[0]));
      done();
    } catch (error) {
      said.fail(error);
    } finally {
      button.disabled = false;
    }
  };
  const form = h(
    "form", { class: "push", onsubmit: submit },
    h("div", { class: "kind" }, field("Data", data), kind),
    h(
      "details", {}, h("summary", {}, "Key, ID, time to live"),
      h("div", { class: "row" },
        field("Key", key, "replaces the earlier message with this key"),
        field("ID", id, "a repeat has no effect"),
        field("Time to live", ttl, "90s, 1h30m"),
      ),
    ),
    h("div", { class: "actions" }, button, said.element),
  );
  data.addEventListener("keydown", (event) => {
    if (event.key === "Enter" && (event.ctrlKey || event.metaKey)) form.requestSubmit();
  });
  return form;
}

function content(kind, text) {
  if (kind === "text") return { data: text, content_type: "text/plain" };
  try {
    return { data: JSON.parse(text) };
  } catch (error) {
    throw new Error(`Invalid JSON: ${error.message}`);
  }
}

function told({ seq, online, duplicate }) {
  if (duplicate) return `Duplicate of ${whole(seq)}.`;
  return online ? `Stored as ${whole(seq)}, ${plural(online, "subscribed connection")}.` : `Stored as ${whole(seq)}. Not connected.`;
}
