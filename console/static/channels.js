// One channel: its positions, its messages and operations on it.
import * as api from "./api.js";
import { confirmed } from "./dialog.js";
import { fill, h, list, notice, panel, text, Tools } from "./dom.js";
import { duration, whole } from "./format.js";
import { channelLink, userLink } from "./links.js";
import { messages } from "./messages.js";
import { names } from "./names.js";
import { repeat } from "./pulse.js";
import { pushForm } from "./push.js";
import { search } from "./search.js";
import { parts, t } from "./words.js";

const every = 2000;
const listEvery = 5000;
const mostPresent = 100;

export function show(main, name) {
  if (!name) return showList(main);
  const find = search("channels", t("channel"), name, t("channels.hint"));
  const said = notice();
  const facts = h("dl", { class: "facts" });
  const log = messages(name);
  const present = presencePanel();
  const empty = h("button", { type: "button", class: "danger" }, t("empty.ask"));
  const shown = h("div", {}, h("p", { class: "empty" }, t("loading")));
  let refresh = null;

  empty.addEventListener("click", async () => {
    if (!(await confirmed(t("empty.sure", { name }), t("empty.what"), t("empty")))) return;
    try {
      await api.empty(name);
      said.say(t("emptied"));
      refresh.now();
    } catch (error) {
      said.fail(error);
    }
  });
  fill(main, h("div", { class: "title" }, h("h1", {}, parts("channel.of", { name: h("bdi", { class: "name" }, name) })), find), shown);

  const build = () => {
    if (shown.dataset.built) return;
    shown.dataset.built = "yes";
    fill(
      shown,
      name.startsWith("user:") ? h("p", { class: "soft" }, parts("inbox.of", { user: userLink(name.slice(5)) })) : null,
      h("div", { class: "pair" }, panel(t("status"), new Tools(empty), facts, said.element), panel(t("push"), pushForm(name, () => refresh.now()))),
      present.element,
      log.element,
    );
  };
  refresh = repeat(every, async (over) => {
    const info = await api.channel(name);
    const who = info.policy.presence && !name.startsWith("user:") ? await api.presence(name) : null;
    if (over()) return;
    build();
    present.update(who);
    describe(facts, info);
    empty.disabled = info.oldest === 0;
    await log.update({ head: info.head, state: String(info.oldest) }, over);
  }, (error) => {
    if (shown.dataset.built) said.fail(error);
    else fill(shown, h("p", { class: "empty bad" }, error.message));
  });
  return refresh.stop;
}

// showList shows all channels.
function showList(main) {
  const all = names(t("channels.all"), {
    key: ({ channel }) => channel,
    empty: t("channels.none"),
    row: ({ channel }) => {
      const facts = h("span", { class: "soft" });
      return {
        element: h("li", { "data-channel": channel }, channelLink(channel), facts),
        update: ({ head, subscribers }) => text(facts, t("channel.facts", { head, subscribers: t("n.subscribers", { n: subscribers }) })),
      };
    },
    async load(prefix, after, limit) {
      const { channels, next } = await api.channels(prefix, after, limit);
      return { items: channels, next };
    },
  });
  const find = search("channels", t("channel"), "", t("channels.hint"), all.filter);
  fill(main, h("h1", {}, t("channels")), find, all.element);
  return repeat(listEvery, all.update, () => {}).stop;
}

// presencePanel shows who is present in a channel whose policy has presence.
function presencePanel() {
  const count = h("p", { class: "soft" });
  const items = h("ul", { class: "sessions names" });
  const rows = list(items, ({ user }) => {
    const facts = h("span", { class: "soft clip" });
    return {
      element: h("li", { "data-user": user }, userLink(user), facts),
      update: ({ info, since }) => text(facts, `${t("session.for", { time: duration(Date.now() - since) })}${info === undefined ? "" : ` · ${JSON.stringify(info)}`}`),
    };
  });
  const element = panel(t("present"), count, items);
  element.hidden = true;
  return {
    element,
    update(presence) {
      element.hidden = !presence;
      if (!presence) return;
      const shown = presence.users.slice(0, mostPresent);
      text(count, t(shown.length < presence.count ? "present.first" : "n.users", { n: presence.count, shown: shown.length }));
      rows(shown, ({ user }) => user);
    },
  };
}

function describe(facts, { head, oldest, subscribers, policy }) {
  const rows = {
    head: whole(head),
    oldest: oldest ? whole(oldest) : t("none"),
    subscribers: t("n.connections", { n: subscribers }),
    policy: policy.pattern,
    kept: policy.durable ? t("kept.disk", { age: days(policy.max_age), messages: t("n.messages", { n: policy.max_messages }) }) : t("kept.memory"),
    subscribe: t(`access.${policy.subscribe}`),
    publish: t(`access.${policy.publish}`),
  };
  for (const [term, value] of Object.entries(rows)) {
    let dd = facts.querySelector(`[data-fact="${term}"]`);
    if (!dd) {
      dd = h("dd", { "data-fact": term });
      facts.append(h("dt", {}, t(term)), dd);
    }
    text(dd, value);
  }
}

// days formats a Go duration: 720h0m0s is 30 days.
function days(duration) {
  const hours = /^(\d+)h0m0s$/.exec(duration);
  return hours && hours[1] % 24 === 0 && hours[1] > 0 ? t("n.days", { n: hours[1] / 24 }) : duration;
}
