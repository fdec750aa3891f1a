// The form that pushes a message to a channel.
import * as api from "./api.js";
import { field, h, notice } from "./dom.js";
import { t } from "./words.js";

// pushForm returns the form for one channel; done is called after a push.
export function pushForm(channel, done) {
  const kind = h("select", { "aria-label": t("push.kind") }, h("option", { value: "text" }, t("push.text")), h("option", { value: "json" }, "JSON"));
  const data = h("textarea", { rows: "3", spellcheck: "false", required: true, placeholder: t("push.hint") });
  const key = h("input", { maxlength: "128", autocomplete: "off", spellcheck: "false" });
  const id = h("input", { maxlength: "128", autocomplete: "off", spellcheck: "false" });
  const ttl = h("input", { autocomplete: "off", placeholder: "1h", spellcheck: "false" });
  const button = h("button", { class: "main" }, t("push"));
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
    h("div", { class: "kind" }, field(t("message.data"), data), kind),
    h(
      "details", {}, h("summary", {}, t("push.more")),
      h("div", { class: "row" },
        field(t("push.key"), key, t("push.key.what")),
        field(t("push.id"), id, t("push.id.what")),
        field(t("push.ttl"), ttl, "90s, 1h30m"),
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
    throw new Error(t("push.json", { reason: error.message }));
  }
}

function told({ seq, online, duplicate }) {
  if (duplicate) return t("push.duplicate", { seq });
  return online ? t("push.online", { seq, n: online }) : t("push.offline", { seq });
}
