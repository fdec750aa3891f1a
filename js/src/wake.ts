/** Calls a function when the network is back, or the user looks at the page again. The result ends that. */
export function onWake(wake: () => void): () => void {
  const end = new AbortController()
  globalThis.addEventListener?.("online", wake, end)
  globalThis.document?.addEventListener("visibilitychange", () => document.hidden || wake(), end)
  return () => end.abort()
}
