// One channel: its positions, its messages and operations on it.
import * as api from "./api.js";
import { confirmed } from "./dialog.js";
import { fill, h, list, notice, panel, text, Tools } from "./dom.js";
import { duration, plural, whole } from "./format.js";
import { messages } from "./messages.js";
import { names } from "./names.js";
import { channelLink, userLink } from "./overview.js";
import { repeat } from "./pulse.js";
import { pushForm } from "./push.js";
import { search } from "./search.js";

const every = 2000;
const listEvery = 5000;
const mostPresent = 100;

export function show(main, name) {
  if (!name) return showList(main);
  const find = search("channels", "Channel", name, "news, room:7, all");
  const said = notice();
  const facts = h("dl", { class: "facts" });
  const log = messages(name);
  const present = presencePanel();
  const empty = h("button", { type: "button", class: "danger" }, "Empty…");
  const shown = h("div", {}, h("p", { class: "empty" }, "Loading …"));
  let refresh = null;

  empty.addEventListener("click", async () => {
    if (!(await confirmed(`Empty ${name}?`, "All of its messages are removed permanently. Devices that have not received them are notified of a gap.", "Empty"))) return;
    try {
      await api.empty(name);
      said.say("The channel is empty.");
      refresh.now();
    } catch (error) {
      said.fail(error);
    }
  });
  fill(main, h("div", { class: "title" }, h("h1", {}, "Channel ", h("bdi", { class: "name" }, name)), find), shown);

  const build = () => {
    if (shown.dataset.built) return;
    shown.dataset.built = "yes";
    fill(
      shown,
      name.startsWith("user:") ? h("p", { class: "soft" }, "This is the inbox of ", userLink(name.slice(5)), ".") : null,
      h("div", { class: "pair" }, panel("Status", new Tools(empty), facts, said.element), panel("Push", pushForm(name, () => refresh.now()))),
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
  const all = names("All channels", {
    key: ({ channel }) => channel,
    empty: "A channel is a named log of messages. Channels do not have to be created: there is none yet.",
    row: ({ channel }) => {
      const facts = h("span", { class: "soft" });
      return {
        element: h("li", { "data-channel": channel }, channelLink(channel), facts),
        update: ({ head, subscribers }) => text(facts, `head ${whole(head)} · ${plural(subscribers, "subscriber")}`),
      };
    },
    async load(prefix, after, limit) {
      const { channels, next } = await api.channels(prefix, after, limit);
      return { items: channels, next };
    },
  });
  const find = search("channels", "Channel", "", "news, room:7, all", all.filter);
  fill(main, h("h1", {}, "Channels"), find, all.element);
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
      update: ({ info, since }) => text(facts, `for ${duration(Date.now() - since)}${info === undefined ? "" : ` · ${JSON.stringify(info)}`}`),
    };
  });
  const element = panel("Present", count, items);
  element.hidden = true;
  return {
    element,
    update(presence) {
      element.hidden = !presence;
      if (!presence) return;
      const shown = presence.users.slice(0, mostPresent);
      text(count, `${plural(presence.count, "user")}${shown.length < presence.count ? `, of which the first ${shown.length} are shown` : ""}`);
      rows(shown, ({ user }) => user);
    },
  };
}

const access = { token: "by token", anyone: "any user", backend: "backends only", hook: "by callback" };

function describe(facts, { head, oldest, subscribers, policy }) {
  const rows = {
    Head: whole(head),
    Oldest: oldest ? whole(oldest) : "none",
    Subscribers: plural(subscribers, "connection"),
    Policy: policy.pattern,
    Kept: policy.durable ? `on disk, ${days(policy.max_age)}, at most ${plural(policy.max_messages, "message")}` : "in memory only",
    Subscribe: access[policy.subscribe] ?? policy.subscribe,
    Publish: access[policy.publish] ?? policy.publish,
  };
  for (const [term, value] of Object.entries(rows)) {
    let dd = facts.querySelector(`[data-fact="${term}"]`);
    if (!dd) {
      dd = h("dd", { "data-fact": term });
      facts.append(h("dt", {}, term), dd);
    }
    text(dd, value);
  }
}

// days formats a Go duration: 720h0m0s is 30 days.
function days(duration) {
  const hours = /^(\d+)h0m0s$/.exec(duration);
  return hours && hours[1] % 24 === 0 && hours[1] > 0 ? plural(hours[1] / 24, "day") : duration;
}
