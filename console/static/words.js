// The texts of the page: in the language of the browser, unless the user has chosen one.
// Whatever is shown is in en.js and zh.js, except for details that the server gives: said.js
// translates those that are common.
import en from "./en.js";
import server, { network } from "./said.js";
import zh from "./zh.js";

const kept = "wirepost-language";
const tables = { en, zh };

export const language = chosen() ?? preferred();

// chosen is in the URL where storage is not allowed.
function chosen() {
  let name;
  try {
    name = localStorage.getItem(kept);
  } catch {
    name = new URLSearchParams(location.search).get("language");
  }
  return name in tables ? name : null;
}

function preferred() {
  for (const tag of navigator.languages ?? [navigator.language]) {
    const name = tag.slice(0, 2).toLowerCase();
    if (name in tables) return name;
  }
  return "en";
}

// other switches to the other language. The page begins again with it.
export function other() {
  const name = language === "en" ? "zh" : "en";
  try {
    localStorage.setItem(kept, name);
    location.reload();
  } catch {
    const at = new URL(location);
    at.searchParams.set("language", name);
    location.replace(at);
  }
}

// entry is a text of the table. One with a singular is a list of both, chosen by n.
function entry(key, values) {
  const found = tables[language][key];
  if (found === undefined) throw new Error(`there is no text ${key}`);
  return Array.isArray(found) ? found[values.n === 1 ? 0 : 1] : found;
}

const shown = (value) => (typeof value === "number" ? value.toLocaleString("en") : String(value));

// t returns a text with its values.
export function t(key, values = {}) {
  return entry(key, values).replace(/\{(\w+)\}/g, (_, name) => shown(values[name]));
}

// parts returns a text with elements as its values, as children of h.
export function parts(key, values) {
  return entry(key, values).split(/(\{\w+\})/).map((part) => {
    const name = /^\{(\w+)\}$/.exec(part)?.[1];
    if (!name) return part;
    return values[name] instanceof Node ? values[name] : shown(values[name]);
  });
}

// has reports whether there is a text.
export const has = (key) => key in tables[language];

// problem says what an error of the server means, by its code, and its details.
export const problem = (code, detail) => (has(`problem.${code}`) ? t(`problem.${code}`, { detail: said(detail) }) : said(detail));

const escape = (text) => text.replace(/[.*+?^${}()|[\]\\]/g, "\\$&");

// translations are what the server says with values in it, as regular expressions.
const translations = Object.entries({ ...server, ...network }).map(([from, to]) => ({
  to, from: new RegExp(`^${from.split(/\{(\w+)\}/).map((part, i) => (i % 2 ? `(?<${part}>.+?)` : escape(part))).join("")}$`, "s"),
}));

const recursive = new Set(["reason", "before", "kind"]);

// said translates what the server says in English, as far as it is known.
export function said(text) {
  if (language === "en") return text;
  for (const { from, to } of translations) {
    const found = from.exec(text);
    if (found) return to.replace(/\{(\w+)\}/g, (_, name) => (recursive.has(name) ? said(found.groups[name]) : found.groups[name]));
  }
  return text;
}

// meaning says what a close code means; "" for one that is not known.
export const meaning = (code) => (has(`code.${code}`) ? t(`code.${code}`) : "");

// fillPage puts the texts into the page that is there before any script.
export function fillPage() {
  document.documentElement.lang = language === "zh" ? "zh-CN" : "en";
  for (const element of document.querySelectorAll("[data-text]")) element.textContent = t(element.dataset.text);
  for (const element of document.querySelectorAll("[data-label]")) element.setAttribute("aria-label", t(element.dataset.label));
  for (const element of document.querySelectorAll("[data-title]")) element.title = t(element.dataset.title);
}
