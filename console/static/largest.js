// The panels of the largest channels, and of the sessions for which messages wait.
import { h, list, panel, text } from "./dom.js";
import { bytes, deviceName, duration, whole } from "./format.js";
import { channelLink, userLink } from "./links.js";
import { t } from "./words.js";

// Under load a client may be slow for a moment; it is shown only if it stays slow.
const patience = 2000;

const head = (words, numbers) => h("thead", {}, h(
  "tr", {}, words.map((word) => h("th", { scope: "col" }, word)), numbers.map((word) => h("th", { scope: "col", class: "number" }, word)),
));

export function channelsPanel() {
  const body = h("tbody");
  const table = h("table", { hidden: true }, head([t("channel")], [t("head"), t("subscribers")]), body);
  const none = h("p", { class: "empty" }, t("largest.none"));
  const rows = list(body, (c) => {
    const last = h("td", { class: "number" });
    const subscribers = h("td", { class: "number" });
    return {
      element: h("tr", { "data-channel": c.channel }, h("td", {}, channelLink(c.channel)), last, subscribers),
      update(now) {
        text(last, whole(now.head));
        text(subscribers, whole(now.subscribers));
      },
    };
  });
  return {
    element: panel(t("largest"), none, table),
    update(all) {
      none.hidden = all.length > 0;
      table.hidden = all.length === 0;
      rows(all, (c) => c.channel);
    },
  };
}

export function slowPanel() {
  const since = new Map(); // connection → time when it was first slow
  const body = h("tbody");
  const table = h("table", { hidden: true }, head([t("user"), t("reason")], [t("pending"), t("for")]), body);
  const none = h("p", { class: "empty" }, t("slow.empty"));
  const more = h("p", { class: "soft", hidden: true });
  const rows = list(body, (s) => {
    const because = h("td");
    const waiting = h("td", { class: "number" });
    const time = h("td", { class: "number" });
    return {
      element: h("tr", {}, h("td", {}, userLink(s.user), h("small", {}, deviceName(s.session.device))), because, waiting, time),
      update(now) {
        text(because, t(`slow.${now.reason}`));
        text(waiting, now.reason === "socket" ? bytes(now.unsent_bytes) : t("n.messages", { n: now.in_flight }));
        text(time, duration(Date.now() - since.get(now.session.connection)));
      },
    };
  });
  const stay = ({ slow }) => {
    const here = new Set(slow.map((s) => s.session.connection));
    for (const c of since.keys()) if (!here.has(c)) since.delete(c);
    for (const c of here) if (!since.has(c)) since.set(c, Date.now());
    return slow.filter((s) => Date.now() - since.get(s.session.connection) >= patience);
  };
  return {
    element: panel(t("slow"), none, table, more),
    // update returns their number.
    update(top) {
      const slow = stay(top);
      const beyond = top.slow_count - top.slow.length;
      rows(slow, (s) => s.session.connection);
      none.hidden = slow.length > 0;
      table.hidden = slow.length === 0;
      more.hidden = beyond === 0;
      text(more, t("slow.more", { n: beyond }));
      return slow.length + beyond;
    },
  };
}
