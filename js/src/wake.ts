/**
 * Calls a function when the network is back, or the user looks at the page again,
 * and another when the user leaves it: the browser may keep a page that was left,
 * with its connections, and the user would not see what it receives. The result removes the listeners.
 */
export function onWake(wake: () => void, leave: () => unknown): () => void {
  const end = new AbortController()
  globalThis.addEventListener?.("online", wake, end)
  globalThis.addEventListener?.("pagehide", leave, end)
  globalThis.document?.addEventListener("visibilitychange", () => document.hidden || wake(), end)
  return () => end.abort()
}
