import { forbidden, invalid, unauthorized } from "./codes.js"
import type { Sink } from "./transport.js"

/** Asks a fallback's endpoint, which is beside that of the WebSocket. */
export function request(name: string, at: URL, token: string | undefined, query: Record<string, string>, signal: AbortSignal): Promise<Response> {
  const url = new URL(name, at)
  url.protocol = url.protocol.replace("ws", "http")
  url.search = at.search
  for (const [key, value] of Object.entries(query)) {
    if (value) url.searchParams.set(key, value)
  }
  const headers: Record<string, string> = token ? { Authorization: `Bearer ${token}` } : {}
  return fetch(url, { headers, signal, cache: "no-store", credentials: "include" }) // with cookies, as WebSockets are
}

/**
 * What a refused request means for the connection: when to try again, and why it
 * ended. Only the server's own response may be final, which is a problem document with
 * one of its codes. Whatever else answers in its place, such as a proxy while it is
 * started again, knows nothing of this client.
 */
export async function refuse(response: Response, sink: Sink): Promise<void> {
  const { status, headers } = response
  const own = /^application\/problem\+json\b/i.test(headers.get("Content-Type") ?? "")
  const problem = ((own && (await response.json().catch(() => null))) || {}) as { code?: string; detail?: string; retry_after?: number }
  const { code = "", detail = `the server answered ${status}`, retry_after: wait } = problem
  if (wait) sink.frame({ type: "bye", code: 1013, reason: detail, retry_after_ms: wait * 1000 }, 0)
  sink.ended({ code: codes[code] ?? 1013, reason: detail })
}

/** The close codes that the server's codes stand for; with others the client may try again. */
const codes: Record<string, number> = { bad_request: invalid, unauthorized, forbidden }
