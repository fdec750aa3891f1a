// Why a connection was refused: a browser does not say, so the same request goes to
// /poll, which has the same identity, limits and checks.

// ask gives that in words. address is the one that was refused.
export async function ask(address, token) {
  const url = new URL(address.replace(/^ws/, "http"));
  url.pathname = url.pathname.replace(/[^/]*$/, "poll");
  url.searchParams.set("wait", "0");
  const headers = token ? { Authorization: `Bearer ${token}` } : {};
  let response;
  try {
    response = await fetch(url, { headers, cache: "no-store" });
  } catch {
    return "the server cannot be reached";
  }
  if (response.ok) return "the server answers the same request at /poll: what is in between, or middleware of the server, lets no such connection through";
  const problem = await response.json().catch(() => ({}));
  return `${response.status}: ${problem.detail ?? response.statusText}`;
}
