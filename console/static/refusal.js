// Finds out why a connection was refused: browsers do not say, so the same request is
// sent to /poll, which has the same identity, limits and checks.
import { problem as say, t } from "./words.js";

// ask returns the reason in words. address is the one that was refused.
export async function ask(address, token) {
  const url = new URL(address.replace(/^ws/, "http"));
  url.pathname = url.pathname.replace(/[^/]*$/, "poll");
  url.searchParams.set("wait", "0");
  const headers = token ? { Authorization: `Bearer ${token}` } : {};
  let response;
  try {
    response = await fetch(url, { headers, cache: "no-store" });
  } catch {
    return t("refusal.unreachable");
  }
  if (response.ok) return t("refusal.proxy");
  const problem = await response.json().catch(() => ({}));
  return `${response.status}: ${say(problem.code, problem.detail ?? response.statusText)}`;
}
