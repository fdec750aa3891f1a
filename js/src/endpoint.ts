/** Where a WebSocket connects to; undefined if the URL, absolute or relative to the page, can be none. */
export function endpoint(url: string | URL): URL | undefined {
  const base = globalThis.location?.href
  if (!URL.canParse(url, base)) return undefined
  const at = new URL(url, base)
  at.protocol = at.protocol.replace("http", "ws")
  return /^wss?:$/.test(at.protocol) ? at : undefined
}
