// One user: connections, the cursors of each device, the inbox.
import * as api from "./api.js";
import { confirmed } from "./dialog.js";
import { fill, h, list, notice, panel, text, Tools } from "./dom.js";
import { deviceName, duration, whole } from "./format.js";
import { channelLink, userLink } from "./links.js";
import { messages } from "./messages.js";
import { names } from "./names.js";
import { repeat } from "./pulse.js";
import { pushForm } from "./push.js";
import { search } from "./search.js";
import { webPushPanel } from "./webpush.js";
import { parts, t } from "./words.js";

const every = 2000;
const listEvery = 5000;

export function show(main, name, settings) {
  if (!name) return showList(main);
  const find = search("users", t("user"), name, "42");
  const inbox = `user:${name}`;
  const state = h("span", { class: "pill" });
  const unread = h("span", { class: "pill plain" });
  const shown = h("div", {}, h("p", { class: "empty" }, t("loading")));
  fill(main, h("div", { class: "title" }, h("h1", {}, parts("user.of", { name: h("bdi", { class: "name" }, name) }), " ", state, " ", unread), find), shown);

  let refresh = null;
  const again = () => refresh.now();
  const sessions = sessionsPanel(name, again);
  const places = positionsPanel();
  const browsers = settings.webpush ? webPushPanel(name) : null;
  const log = messages(inbox, t("inbox"));
  const failure = notice();

  const build = () => {
    if (shown.dataset.built) return;
    shown.dataset.built = "yes";
    fill(
      shown, failure.element,
      h("div", { class: "pair" }, sessions.element, panel(t("inbox.push"), pushForm(inbox, again))),
      places.element, browsers?.element, log.element,
    );
  };
  refresh = repeat(every, async (over) => {
    const info = await api.user(name);
    const place = info.channels[inbox];
    const known = info.online > 0 || place.head > 0 || (await isListed(name));
    if (over()) return;
    build();
    failure.clear();
    state.dataset.state = info.online ? "live" : "away";
    state.title = known ? "" : t("unknown.what");
    text(state, info.online ? t("n.connections", { n: info.online }) : t(known ? "offline" : "unknown"));
    text(unread, t("unread.n", { n: place.unread }));
    sessions.update(info.sessions);
    places.update(info);
    await browsers?.update(over);
    await log.update({ head: place.head, context: info }, over);
  }, (error) => {
    if (shown.dataset.built) failure.fail(error);
    else fill(shown, h("p", { class: "empty bad" }, error.message));
  });
  return refresh.stop;
}

// showList shows all users, those who are online first.
function showList(main) {
  const row = ({ user }) => {
    const state = h("span", { class: "pill" });
    return {
      element: h("li", { "data-user": user }, userLink(user), state),
      update({ online }) {
        state.dataset.state = online ? "live" : "away";
        text(state, online ? t("n.connections", { n: online }) : t("offline"));
      },
    };
  };
  const of = (online) => ({
    row, key: ({ user }) => user, empty: t(online ? "online.none" : "users.none"),
    async load(prefix, after, limit) {
      const { users, next } = await api.users(prefix, after, limit, online);
      return { items: users, next };
    },
  });
  const lists = [names(t("online"), of(true)), names(t("users.all"), of(false))];
  const find = search("users", t("user"), "", "42", (prefix) => lists.forEach((l) => l.filter(prefix)));
  fill(main, h("h1", {}, t("users")), find, h("div", { class: "pair" }, lists.map((l) => l.element)));
  return repeat(listEvery, () => Promise.all(lists.map((l) => l.update())), () => {}).stop;
}

// isListed says whether something is stored of a user.
async function isListed(name) {
  const { users } = await api.users(name, "", 1);
  return users[0]?.user === name;
}

function sessionsPanel(name, again) {
  const said = notice();
  const none = h("p", { class: "empty" }, t("sessions.none"));
  const items = h("ul", { class: "sessions" });
  const all = h("button", { type: "button", class: "danger" }, t("disconnect.all"));

  const end = async (question, connection) => {
    if (!(await confirmed(t("disconnect.sure"), question, t("disconnect")))) return;
    try {
      const { disconnected } = await api.disconnect(name, connection);
      said.say(t("disconnected", { n: disconnected }));
      again();
    } catch (error) {
      said.fail(error);
    }
  };
  all.addEventListener("click", () => end(t("disconnect.whatall"), ""));

  const rows = list(items, (s) => {
    const since = h("span");
    const one = h("button", { type: "button", class: "danger small", "aria-label": t("disconnect.which", { connection: s.connection }) }, t("disconnect.one"));
    one.addEventListener("click", () => end(t("disconnect.what", { connection: s.connection }), s.connection));
    return {
      element: h(
        "li", { "data-connection": s.connection },
        h("div", {},
          h("strong", {}, h("bdi", { class: "name" }, deviceName(s.device))), h("span", { class: "tag" }, s.mode),
          h("p", { class: "soft" }, since, ` · ${t("session.from", { address: s.address })} · ${s.connection}`),
          h("p", { class: "soft clip", title: s.agent }, s.agent || t("session.agent")),
        ),
        one,
      ),
      update() {
        text(since, t("session.for", { time: duration(Date.now() - s.since) }));
      },
    };
  });
  return {
    element: panel(t("connections"), new Tools(all), said.element, none, items),
    update(sessions) {
      none.hidden = sessions.length > 0;
      all.disabled = sessions.length === 0;
      rows(sessions, (s) => s.connection);
    },
  };
}

// positionsPanel shows the positions of the user and each device in each channel.
function positionsPanel() {
  const body = h("tbody");
  const names = [["channel", ""], ["head", "number"], ["read", "number"], ["unread", "number"], ["acknowledged", ""]];
  const rows = list(body, ([channel]) => {
    const cells = ["head", "read", "unread"].map((label) => h("td", { class: "number", "data-label": t(label) }));
    const devices = h("div", { class: "devices" });
    return {
      element: h("tr", { "data-channel": channel }, h("td", {}, channelLink(channel)), cells, h("td", {}, devices)),
      update([, place]) {
        [place.head, place.read, place.unread].forEach((n, i) => text(cells[i], whole(n)));
        const told = JSON.stringify([place.head, place.devices]);
        if (devices.dataset.told === told) return;
        devices.dataset.told = told;
        fill(devices, chips(place));
      },
    };
  });
  return {
    element: panel(t("positions"), h("div", { class: "scroll" }, h("table", { class: "places" }, h("thead", {}, h("tr", {}, names.map(([n, c]) => h("th", { scope: "col", class: c }, t(n))))), body))),
    update({ user, channels }) {
      const order = (name) => (name === `user:${user}` ? 0 : name === "all" ? 1 : 2);
      const sorted = Object.entries(channels).sort(([a], [b]) => order(a) - order(b) || (a < b ? -1 : 1));
      rows(sorted, ([channel]) => channel);
    },
  };
}

function chips({ head, devices }) {
  const names = Object.keys(devices).sort();
  if (names.length === 0) return h("span", { class: "soft" }, t("devices.none"));
  return names.map((device) => {
    const seq = devices[device];
    const done = seq >= head;
    return h("span", { class: `tag ${done ? "good" : "warn"}`, title: t(done ? "device.done" : "device.lags") }, h("bdi", {}, deviceName(device)), ` ${whole(seq)}`);
  });
}
