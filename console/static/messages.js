// The newest messages of a channel, each with how far it came.
import * as api from "./api.js";
import { confirmed } from "./dialog.js";
import { h, list, notice, panel, text } from "./dom.js";
import { bytes, when, whole } from "./format.js";
import { explain } from "./receipts.js";

const shownAtOnce = 25;
const most = 800;
const stale = 15_000; // what has expired leaves no other trace

// messages gives the panel of a channel. update asks for what is new when the
// channel has moved; context says who is connected, for the words of receipts.
export function messages(channel, title = "Messages") {
  const said = notice();
  const none = h("p", { class: "empty" }, "Asking the server …");
  const items = h("ol", { class: "messages" });
  const more = h("button", { type: "button", hidden: true }, "Show older ones");
  let shown = shownAtOnce;
  let loaded = "";
  let found = [];
  const revoked = new Set(); // an answer that was under way may still have them
  const open = new Set(); // those whose receipts are looked at

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
        text(none, "There are no messages.");
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

// content is a message's data as text, and whether it is bytes.
export function content(m) {
  if (m.data_base64 !== undefined) {
    const size = Math.floor((m.data_base64.replace(/=+$/, "").length * 3) / 4);
    return { words: `${bytes(size)} of ${m.content_type ?? "bytes"}`, full: m.data_base64, size, kind: m.content_type };
  }
  if (typeof m.data === "string" && (m.content_type ?? "").startsWith("text/")) return { words: m.data, full: m.data, kind: m.content_type };
  return { words: JSON.stringify(m.data), full: JSON.stringify(m.data, null, 2), kind: m.content_type ?? "application/json" };
}

function row(channel, m, open, said, changed) {
  const { words, full, kind } = content(m);
  const state = h("div", { class: "receipts" }, h("p", { class: "soft" }, "Asking the server …"));
  const come = h("span", { class: "come" });
  const revoke = h("button", { type: "button", class: "danger small" }, "Revoke…");
  const details = h(
    "details", { "data-seq": m.seq },
    h(
      "summary", {},
      h("span", { class: "seq" }, whole(m.seq)),
      h("span", { class: "preview" }, words.slice(0, 200) || "(empty)"),
      come,
      h("span", { class: "time" }, when(m.time)),
    ),
    h(
      "div", { class: "inside" },
      state,
      h("pre", { class: "data", tabindex: "0", "aria-label": "Data" }, full.length > 4096 ? `${full.slice(0, 4096)}\n… ${bytes(full.length - 4096)} more` : full),
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
        const { receipts } = await api.message(channel, m.seq);
        const user = context ?? (await contextOf(channel));
        explain(state, receipts, user);
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
    if (!(await confirmed(`Revoke message ${whole(m.seq)}?`, "It is removed, and clients that speak wirepost.v1 are told, also those that are away.", "Revoke it"))) return;
    try {
      await api.revoke(channel, m.seq);
      said.say(`Message ${whole(m.seq)} was taken back.`);
      open.delete(self);
      changed();
      details.closest("li").remove();
    } catch (error) {
      said.fail(error);
    }
  });
  return { element: h("li", {}, details), update: ({ place }) => self.update(place) };
}

// howFar is a message of an inbox in one word or two; the receipts tell more.
function howFar(seq, { read, devices }) {
  if (read >= seq) return ["read", "read"];
  const cursors = Object.values(devices);
  const have = cursors.filter((c) => c >= seq).length;
  if (have === 0) return ["stored", "not yet"];
  return have === cursors.length ? ["acknowledged", "delivered"] : ["sent", `${have} of ${cursors.length}`];
}

// contextOf is who is connected, for an inbox.
async function contextOf(channel) {
  return channel.startsWith("user:") ? api.user(channel.slice(5)) : null;
}

function tags(m, kind) {
  const all = [kind, `id ${m.id}`];
  if (m.key) all.push(`key ${m.key}`);
  if (m.expires) all.push(`expires ${when(m.expires)}`);
  if (m.from) all.push(`published by ${m.from}`);
  return all;
}

