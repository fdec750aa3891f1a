// The Web Push subscriptions of a user: browsers that may show notifications.
import * as api from "./api.js";
import { confirmed } from "./dialog.js";
import { h, list, notice, panel, text } from "./dom.js";
import { deviceName, when } from "./format.js";
import { t } from "./words.js";

const every = 10_000; // they change rarely

// webPushPanel returns the panel. It is for servers where Web Push is on.
export function webPushPanel(user) {
  const said = notice();
  const none = h("p", { class: "empty" }, t("webpush.none"));
  const items = h("ul", { class: "sessions" });
  let read = 0; // when it was read last
  const rows = list(items, (s) => {
    const remove = h("button", { type: "button", class: "danger small", "aria-label": t("webpush.which", { name: s.name }) }, t("webpush.remove"));
    remove.addEventListener("click", async () => {
      if (!(await confirmed(t("webpush.sure"), t("webpush.what"), t("webpush.yes")))) return;
      try {
        await api.removeWebPush(user, s.endpoint);
        said.say(t("webpush.removed"));
        read = 0;
        remove.closest("li").remove();
      } catch (error) {
        said.fail(error);
      }
    });
    const life = [t("webpush.since", { when: when(s.since) })];
    if (s.expires) life.push(t("webpush.expires", { when: when(s.expires) }));
    return {
      element: h(
        "li", { "data-subscription": s.name },
        h("div", {},
          h("strong", {}, h("bdi", { class: "name" }, deviceName(s.device))), h("span", { class: "tag" }, s.name),
          h("p", { class: "soft" }, life.join(" · ")),
          h("p", { class: "soft clip name", title: s.endpoint }, s.endpoint),
        ),
        remove,
      ),
      update() {},
    };
  });
  return {
    element: panel(t("webpush"), said.element, none, items),
    async update(over) {
      if (Date.now() - read < every) return;
      read = Date.now();
      const { subscriptions } = await api.webPush(user);
      if (over()) return;
      none.hidden = subscriptions.length > 0;
      rows(subscriptions, (s) => s.name);
    },
  };
}
