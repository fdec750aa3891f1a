// The form for the API key.
import * as api from "./api.js";
import { field, fill, h, notice } from "./dom.js";
import { t } from "./words.js";

// login shows only this form until a key is accepted.
export function login(main, message, enter) {
  const key = h("input", { type: "password", name: "key", autocomplete: "off", required: true, spellcheck: "false" });
  const button = h("button", { class: "main" }, t("signin"));
  const said = notice();
  if (message) said.say(message, "bad");

  const submit = async (event) => {
    event.preventDefault();
    button.disabled = true;
    api.setKey(key.value.trim());
    try {
      await api.stats();
      enter();
    } catch (error) {
      api.setKey("");
      // A refused key shows this form again, empty.
      if (error.status !== 401) said.fail(error);
      else login(main, t("key.wrong"), enter);
    } finally {
      button.disabled = false;
    }
  };
  fill(
    main,
    h(
      "form", { class: "panel login", onsubmit: submit },
      h("h1", {}, t("signin")),
      h("p", { class: "soft" }, t("signin.what")),
      field(t("key"), key, t("key.kept")),
      said.element,
      button,
    ),
  );
  key.focus();
}
