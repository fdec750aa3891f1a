// One channel: its positions, its messages and operations on it.
import * as api from "./api.js";
import { confirmed } from "./dialog.js";
import { fill, h, notice, panel, text, Tools } from "./dom.js";
import { plural, whole } from "./format.js";
import { messages } from "./messages.js";
import { userLink } from "./overview.js";
import { repeat } from "./pulse.js";
import { pushForm } from "./push.js";
import { search } from "./search.js";

const every = 2000;

export function show(main, name) {
  const find = search("channels", "Channel", name, "news, room:7, all");
  if (!name) {
    fill(main, h("h1", {}, "Channels"), find, h("p", { class: "empty" }, "A channel is a named log of messages. Channels do not have to be created. The overview lists those with subscribers."));
    return null;
  }
  const said = notice();
  const facts = h("dl", { class: "facts" });
  const log = messages(name);
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
      log.element,
    );
  };
  refresh = repeat(every, async (over) => {
    const info = await api.channel(name);
    if (over()) return;
    build();
    describe(facts, info);
    empty.disabled = info.oldest === 0;
    await log.update({ head: info.head, state: String(info.oldest) }, over);
  }, (error) => {
    if (shown.dataset.built) said.fail(error);
    else fill(shown, h("p", { class: "empty bad" }, error.message));
  });
  return refresh.stop;
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
