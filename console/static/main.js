// The frame around the sections: navigation, connection state, the API key and the
// shortcuts.
import * as api from "./api.js";
import * as channels from "./channels.js";
import * as events from "./events.js";
import * as history from "./history.js";
import * as nodes from "./nodes.js";
import * as overview from "./overview.js";
import * as playground from "./playground.js";
import * as pulse from "./pulse.js";
import * as scheduled from "./scheduled.js";
import * as settingsPage from "./settings.js";
import * as store from "./store.js";
import * as users from "./users.js";
import { confirmed, isOpen, showShortcuts } from "./dialog.js";
import { fill, h, text } from "./dom.js";
import { login } from "./login.js";
import { fillPage, other, parts, t } from "./words.js";

// sections are in the order of the navigation, and of the keys that lead to them.
const sections = { overview, users, channels, playground, events, scheduled, store, settings: settingsPage };
const clusterSections = { nodes };
const main = document.getElementById("main");
const link = document.getElementById("link");
const leave = document.getElementById("leave");
const lost = h("p", { class: "banner", role: "alert", hidden: true });
main.before(lost);
fillPage();

let settings = { dev: false, echo: false, cluster: false, webpush: false };
let leaveSection = null;

// place returns the section and the name in the address: #/users/42.
function place() {
  const [section, ...rest] = location.hash.replace(/^#\/?/, "").split("/");
  const name = rest.join("/");
  try {
    return { section: section || "overview", name: decodeURIComponent(name) };
  } catch {
    return { section, name }; // an invalid % escape
  }
}

function show({ focus }) {
  const { section, name } = place();
  leaveSection?.();
  leaveSection = null;
  for (const a of document.querySelectorAll("nav a")) {
    if (a.dataset.section === section) a.setAttribute("aria-current", "page");
    else a.removeAttribute("aria-current");
    if (a.dataset.section === section) a.scrollIntoView({ block: "nearest", inline: "nearest" }); // where they do not fit
  }
  const shown = sections[section] ?? (settings.cluster ? clusterSections[section] : undefined);
  document.title = t("title", { name: name || t(shown ? section : "nowhere.title") });
  if (!shown) {
    fill(main, h("h1", {}, t("nowhere.title")), h("p", { class: "empty" }, parts("nowhere", { section, overview: h("a", { href: "#/" }, t("overview")) })));
    return;
  }
  leaveSection = shown.show(main, name, settings) ?? null;
  if (focus) main.focus({ preventScroll: true });
  scrollTo(0, 0);
}

// askKey shows only the form for the key.
function askKey(message) {
  pulse.stop();
  leaveSection?.();
  leaveSection = null;
  leave.hidden = true;
  document.body.classList.add("locked");
  setLink("wait", t("link.out"));
  lost.hidden = true;
  login(main, message, enter);
}

async function enter() {
  document.body.classList.remove("locked");
  leave.hidden = !api.hasKey();
  show({ focus: true });
  pulse.start();
}

function setLink(state, words) {
  link.dataset.state = state;
  text(link, words);
}

pulse.listen(({ state, error }) => {
  if (state === "live") {
    setLink("live", t("link.live"));
    lost.hidden = true;
    return;
  }
  setLink("bad", t(state === "lost" ? "link.lost" : "link.refused"));
  text(lost, state === "lost" ? t("lost") : t("refused", { reason: error.message }));
  lost.hidden = false;
});

addEventListener("unauthorized", () => {
  const had = api.hasKey();
  api.setKey("");
  askKey(had ? t("key.revoked") : "");
});
addEventListener("hashchange", () => {
  if (!document.body.classList.contains("locked")) show({ focus: true });
});

document.querySelector(".skip").addEventListener("click", (event) => {
  event.preventDefault(); // the fragment names sections
  main.focus();
});
document.getElementById("theme").addEventListener("click", () => wirepostTheme.toggle());
document.getElementById("language").addEventListener("click", other);
document.getElementById("help").addEventListener("click", () => showShortcuts(settings));
leave.addEventListener("click", async () => {
  if (!(await confirmed(t("signout.sure"), t("signout.what"), t("signout")))) return;
  api.setKey("");
  askKey("");
});

const keys = {
  "/": () => main.querySelector("input[type=search]")?.focus(),
  t: () => wirepostTheme.toggle(),
  "?": () => showShortcuts(settings),
};

Object.keys(sections).forEach((name, i) => (keys[i + 1] = () => (location.hash = `#/${name}`)));
keys[Object.keys(sections).length + 1] = () => settings.cluster && (location.hash = "#/nodes");

addEventListener("keydown", (event) => {
  if (event.ctrlKey || event.altKey || event.metaKey || event.isComposing || isOpen()) return;
  if (event.target.closest?.("input, textarea, select")) return;
  const act = keys[event.key];
  if (!act || document.body.classList.contains("locked")) return;
  event.preventDefault();
  swallow(event.key);
  act();
});

// swallow keeps the character of a shortcut out of the field that the shortcut focuses:
// its keypress may arrive when the field already has the focus.
function swallow(key) {
  const held = new AbortController();
  const options = { capture: true, signal: held.signal };
  addEventListener("keypress", (event) => event.key === key && event.preventDefault(), options);
  addEventListener("keyup", () => held.abort(), options);
  addEventListener("blur", (event) => event.target === window && held.abort(), options);
}

// load finds out whether a key is required, and retries while the server does not
// respond.
async function load() {
  try {
    settings = await api.call("GET", "/console/settings.json");
    document.querySelector("nav [data-section=nodes]").hidden = !settings.cluster;
    await api.stats();
    history.start();
    enter();
  } catch (error) {
    if (error.status === 401) {
      history.start();
      return; // the form is shown
    }
    setLink("bad", t("link.lost"));
    fill(main, h("p", { class: "empty" }, t("retrying", { reason: error.message })));
    setTimeout(load, 1000);
  }
}

load();
