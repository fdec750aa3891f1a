// Requests to /v1. The key is kept in this tab only and sent as a header, so that no
// other site can make the browser send it.
import { problem as say, said, t } from "./words.js";

const keyName = "wirepost-key";
let key = stored();

function stored() {
  try {
    return sessionStorage.getItem(keyName) ?? "";
  } catch {
    return ""; // storage is not allowed: the key is kept by the page
  }
}

export const hasKey = () => key !== "";

export function setKey(value) {
  key = value;
  try {
    if (key) sessionStorage.setItem(keyName, key);
    else sessionStorage.removeItem(keyName);
  } catch {
    // as above
  }
}

// Problem is an error response of the server.
export class Problem extends Error {
  constructor(status, problem) {
    const detail = problem.detail || problem.title || t("error.status", { status });
    super(say(problem.code, problem.field ? `${problem.field}: ${said(detail)}` : detail));
    this.status = status;
    this.code = problem.code ?? "";
  }
}

// Unreachable means that there was no response.
export class Unreachable extends Error {
  constructor() {
    super(t("error.unreachable"));
  }
}

const limit = 10_000;

// call makes a request and reads its JSON. It throws a Problem, or Unreachable.
export async function call(method, path, options = {}) {
  const response = await answer(method, path, options);
  if (response.status === 204) return null;
  const body = await response.json().catch(() => null);
  if (!response.ok) {
    if (response.status === 401) dispatchEvent(new Event("unauthorized"));
    throw new Problem(response.status, body ?? {});
  }
  if (body === null) throw new Problem(response.status, { detail: t("error.json") });
  return body;
}

async function answer(method, path, { body, headers = {} }) {
  const request = new Headers(headers);
  try {
    if (key) request.set("Authorization", `Bearer ${key}`);
  } catch {
    throw new Problem(400, { detail: t("error.key") });
  }
  try {
    return await fetch(path, {
      method, body, headers: request, cache: "no-store", credentials: "omit", redirect: "error", signal: AbortSignal.timeout(limit),
    });
  } catch {
    throw new Unreachable();
  }
}

// segment encodes a name for a path.
function segment(name) {
  try {
    return encodeURIComponent(name);
  } catch {
    throw new Problem(400, { detail: t("error.name") });
  }
}

const json = (value) => ({ body: JSON.stringify(value), headers: { "Content-Type": "application/json" } });

export const stats = (top) => call("GET", top ? `/v1/stats?top=${top}` : "/v1/stats");
export const history = () => call("GET", "/v1/stats/history");
export const config = () => call("GET", "/v1/config");
export const store = (count) => call("GET", count ? `/v1/store?count=${count}` : "/v1/store");
export const scheduled = (to, after, limit) =>
  call("GET", `/v1/scheduled?after=${segment(after)}&limit=${limit}${to ? `&to=${segment(to)}` : ""}`);
export const cancel = (id, to) => call("DELETE", `/v1/scheduled/${segment(id)}?to=${segment(to)}`);
export const cluster = () => call("GET", "/v1/cluster");
export const eventsPage = 1000;
export const events = (after) => call("GET", `/v1/events?after=${after}&limit=${eventsPage}`);
export const user = (name) => call("GET", `/v1/users/${segment(name)}`);
export const disconnect = (name, connection) =>
  call("DELETE", `/v1/users/${segment(name)}/sessions${connection ? `?connection=${segment(connection)}` : ""}`);
const named = (prefix, after, limit) => `prefix=${segment(prefix)}&after=${segment(after)}&limit=${limit}`;
export const users = (prefix, after, limit, online) => call("GET", `/v1/users?${named(prefix, after, limit)}${online ? "&online=true" : ""}`);
export const webPush = (name) => call("GET", `/v1/users/${segment(name)}/webpush`);
export const removeWebPush = (name, endpoint) => call("DELETE", `/v1/users/${segment(name)}/webpush?endpoint=${segment(endpoint)}`);
export const channels = (prefix, after, limit) => call("GET", `/v1/channels?${named(prefix, after, limit)}`);
export const presence = (name) => call("GET", `/v1/channels/${segment(name)}/presence`);
export const channel = (name) => call("GET", `/v1/channels/${segment(name)}`);
export const empty = (name) => call("DELETE", `/v1/channels/${segment(name)}`);
export const message = (name, seq) => call("GET", `/v1/channels/${segment(name)}/messages/${seq}`);
export const revoke = (name, seq) => call("DELETE", `/v1/channels/${segment(name)}/messages/${seq}`);
export const push = (message) => call("POST", "/v1/push", json(message));

const page = (name, after, limit) =>
  call("GET", `/v1/channels/${segment(name)}/messages?after=${after}&limit=${limit}`);

// newest returns the last live messages of a channel, newest first, at most count.
// Lists start at the oldest message and sequences have holes, so it goes back in
// growing steps until there are enough.
export async function newest(name, head, count) {
  let found = [];
  for (let back = count; ; back *= 4) {
    const after = Math.max(0, head - back);
    found = await between(name, after, head, count);
    if (found.length >= count || after === 0) return found.reverse();
  }
}

// between reads up to the head and keeps the last count messages.
async function between(name, after, head, count) {
  let kept = [];
  while (after < head) {
    const { messages, next } = await page(name, after, 1000);
    if (messages.length === 0) break;
    kept = kept.concat(messages).slice(-count);
    after = next;
  }
  return kept;
}
