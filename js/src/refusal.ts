import { WirepostError, type ErrorCode } from "./errors.js"
import { isObject } from "./frames.js"
import type { Address, Ending } from "./transport.js"

/** Asks a fallback's endpoint, which is beside that of the WebSocket. */
export function request(name: string, address: Address, query: Record<string, string>, signal: AbortSignal): Promise<Response> {
  const url = new URL(name, address.url)
  url.search = address.url.search
  for (const [key, value] of Object.entries(query)) {
    if (value) url.searchParams.set(key, value)
  }
  const headers: Record<string, string> = address.token ? { Authorization: `Bearer ${address.token}` } : {}
  return fetch(url, { headers, signal, cache: "no-store", credentials: "include" }) // with cookies, as WebSockets are
}

/** What a refused request means for the connection. */
export async function refusal(response: Response): Promise<Ending> {
  const problem: unknown = await response.json().catch(() => undefined)
  const detail = isObject(problem) ? String(problem["detail"]) : `the server answered ${response.status}`
  const wait = isObject(problem) && Number(problem["retry_after"])
  const retryAfter = wait ? wait * 1000 : undefined
  const ending = (code: number, error?: ErrorCode): Ending =>
    ({ code, reason: detail, retryAfter, ...(error && { error: new WirepostError(error, detail) }) })
  switch (response.status) {
    case 400:
      return ending(1008, "bad_request")
    case 401:
      return ending(4401, "unauthorized")
    case 403:
      return ending(4403, "forbidden")
  }
  return ending(1013)
}
