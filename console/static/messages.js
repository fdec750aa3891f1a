// The newest messages of a channel with their delivery state.
import * as api from "./api.js";
import { confirmed } from "./dialog.js";
import { h, list, notice, panel, text } from "./dom.js";
import { bytes, when, whole } from "./format.js";
import { explain } from "./receipts.js";
import { t } from "./words.js";

const shownAtOnce = 25;
const most = 800;
const stale = 15_000; // reload interval, because expiry is not announced

// messages returns the panel of a channel. update loads new messages when the head
// has moved; context has the user's connections, which explain the receipts.
export function messages(channel, title = t("messages")) {
  const said = notice();
  const none = h("p", { class: "empty" }, t("loading"));
  const items = h("ol", { class: "messages" });
  const more = h("button", { type: "button", hidden: true }, t("messages.older"));
  let shown = shownAtOnce;
  let loaded = "";
  let found = [];
  const revoked = new Set(); // a pending response may still contain them
  const open = new Set(); // messages whose receipts are shown

  const rows = list(items, ({ message }) => row(channel, message, open, said, () => {
    revoked.add(message.seq);
    loaded = "";
  }));
  more.addEventListener("click", () => {
    shown *= 2;
    more.disabled = true;
  });
  return {
    element: panel(title, said.element, none, items, h("div", { class: "actions" }, more)),
    async update({ head, state = "", context = null }, over = () => false) {
      const now = `${head} ${state} ${shown} ${Math.floor(Date.now() / stale)}`;
      if (now !== loaded) {
        const newest = await api.newest(channel, head, shown);
        if (over()) return;
        [found, loaded] = [newest, now];
        text(none, t("messages.none"));
        none.hidden = found.length > 0;
        more.hidden = found.length < shown || shown >= most;
        more.disabled = false;
      }
      const place = context?.channels[channel];
      rows(found.filter(({ seq }) => !revoked.has(seq)).map((message) => ({ message, place })), ({ message }) => message.seq);
      for (const one of open) {
        if (one.element.isConnected) await one.refresh(context);
        else open.delete(one);
      }
    },
  };
}

// content returns a message's data as text, and its kind.
export function content(m) {
  if (m.data_base64 !== undefined) {
    const size = Math.floor((m.data_base64.replace(/=+$/, "").length * 3) / 4);
    return { words: t("message.binary", { bytes: bytes(size), type: m.content_type ?? t("message.bytes") }), full: m.data_base64, size, kind: m.content_type };
  }
  if (typeof m.data === "string" && (m.content_type ?? "").startsWith("text/")) return { words: m.data, full: m.data, kind: m.content_type };
  return { words: JSON.stringify(m.data), full: JSON.stringify(m.data, null, 2), kind: m.content_type ?? "application/json" };
}

function row(channel, m, open, said, changed) {
  const { words, full, kind } = content(m);
  const state = h("div", { class: "receipts" }, h("p", { class: "soft" }, t("loading")));
  const come = h("span", { class: "come" });
  const revoke = h("button", { type: "button", class: "danger small", "aria-label": t("revoke.which", { seq: m.seq }) }, t("revoke.ask"));
  const details = h(
    "details", { "data-seq": m.seq },
    h(
      "summary", {},
      h("span", { class: "seq" }, whole(m.seq)),
      h("span", { class: "preview" }, words.slice(0, 200) || t("message.empty")),
      come,
      h("span", { class: "time" }, when(m.time)),
    ),
    h(
      "div", { class: "inside" },
      state,
      h("pre", { class: "data", tabindex: "0", role: "region", "aria-label": t("message.data") }, full.length > 4096 ? `${full.slice(0, 4096)}\n${t("message.more", { bytes: bytes(full.length - 4096) })}` : full),
      h("p", { class: "soft" }, tags(m, kind).join(" · ")),
      h("div", { class: "actions" }, revoke),
    ),
  );
  const self = {
    element: details,
    update(place) {
      const [name, told] = place ? howFar(m.seq, place) : ["", ""];
      come.className = `come state ${name}`;
      text(come, told);
    },
    async refresh(context) {
      try {
        const { receipts, escalation } = await api.message(channel, m.seq);
        const user = context ?? (await contextOf(channel));
        explain(state, receipts, user, escalation);
        self.update(user?.channels[channel]);
      } catch (error) {
        if (!(error instanceof api.Unreachable)) text(state, error.message);
      }
    },
  };
  details.addEventListener("toggle", () => {
    if (!details.open) return open.delete(self);
    open.add(self);
    return self.refresh(null);
  });
  revoke.addEventListener("click", async () => {
    if (!(await confirmed(t("revoke.sure", { seq: m.seq }), t("revoke.what"), t("revoke")))) return;
    try {
      await api.revoke(channel, m.seq);
      said.say(t("revoked", { seq: m.seq }));
      open.delete(self);
      changed();
      details.closest("li").remove();
    } catch (error) {
      said.fail(error);
    }
  });
  return { element: h("li", {}, details), update: ({ place }) => self.update(place) };
}

// howFar is the state of an inbox message in a word or two; the receipts have details.
function howFar(seq, { read, devices }) {
  if (read >= seq) return ["read", t("come.read")];
  const cursors = Object.values(devices);
  const have = cursors.filter((c) => c >= seq).length;
  if (have === 0) return ["stored", t("come.none")];
  return have === cursors.length ? ["acknowledged", t("come.all")] : ["sent", t("come.some", { have, all: cursors.length })];
}

// contextOf returns the user of an inbox.
async function contextOf(channel) {
  return channel.startsWith("user:") ? api.user(channel.slice(5)) : null;
}

function tags(m, kind) {
  const all = [kind, `id ${m.id}`];
  if (m.key) all.push(t("message.key", { key: m.key }));
  if (m.expires) all.push(t("message.expires", { when: when(m.expires) }));
  if (m.from) all.push(t("message.from", { user: m.from }));
  return all;
}

