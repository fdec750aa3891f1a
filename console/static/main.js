// The frame around the sections: navigation, connection state, the API key and the
// shortcuts.
import * as api from "./api.js";
import * as channels from "./channels.js";
import * as history from "./history.js";
import * as nodes from "./nodes.js";
import * as overview from "./overview.js";
import * as playground from "./playground.js";
import * as pulse from "./pulse.js";
import * as users from "./users.js";
import { confirmed, isOpen, showShortcuts } from "./dialog.js";
import { fill, h, text } from "./dom.js";
import { login } from "./login.js";

const sections = { overview, users, channels, playground };
const clusterSections = { nodes };
const main = document.getElementById("main");
const link = document.getElementById("link");
const leave = document.getElementById("leave");
const lost = h("p", { class: "banner", role: "alert", hidden: true });
main.before(lost);

let settings = { dev: false, echo: false, cluster: false };
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
  }
  const shown = sections[section] ?? (settings.cluster ? clusterSections[section] : undefined);
  document.title = `${name || section} · Wirepost console`;
  if (!shown) {
    fill(main, h("p", { class: "empty" }, `There is no section "${section}". `, h("a", { href: "#/" }, "Overview")));
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
  setLink("wait", "signed out");
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
    setLink("live", "live");
    lost.hidden = true;
    return;
  }
  setLink("bad", state === "lost" ? "no connection" : "refused");
  text(lost, state === "lost" ? "Connection lost, retrying every second." : `The server refused the request: ${error.message}`);
  lost.hidden = false;
});

addEventListener("unauthorized", () => {
  const had = api.hasKey();
  api.setKey("");
  askKey(had ? "This key is no longer accepted." : "");
});
addEventListener("hashchange", () => {
  if (!document.body.classList.contains("locked")) show({ focus: true });
});

document.querySelector(".skip").addEventListener("click", (event) => {
  event.preventDefault(); // the fragment names sections
  main.focus();
});
document.getElementById("theme").addEventListener("click", () => wirepostTheme.toggle());
document.getElementById("help").addEventListener("click", () => showShortcuts(settings));
leave.addEventListener("click", async () => {
  if (!(await confirmed("Sign out?", "The API key is removed from this tab.", "Sign out"))) return;
  api.setKey("");
  askKey("");
});

const keys = {
  1: () => (location.hash = "#/"),
  2: () => (location.hash = "#/users"),
  3: () => (location.hash = "#/channels"),
  4: () => (location.hash = "#/playground"),
  5: () => settings.cluster && (location.hash = "#/nodes"),
  "/": () => main.querySelector("input[type=search]")?.focus(),
  t: () => wirepostTheme.toggle(),
  "?": () => showShortcuts(settings),
};

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
    setLink("bad", "no connection");
    fill(main, h("p", { class: "empty" }, `${error.message}; retrying.`));
    setTimeout(load, 1000);
  }
}

load();
