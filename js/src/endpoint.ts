/** Where a WebSocket connects to; undefined if the URL, absolute or relative to the page, cannot be one. */
export function endpoint(url: string | URL): URL | undefined {
  try {
    const at = new URL(url, globalThis.location?.href)
    at.protocol = at.protocol.replace("http", "ws")
    return /^wss?:/.test(at.protocol) ? at : undefined
  } catch {
    return undefined // it is not a URL: URL.canParse is missing before Safari 17
  }
}
