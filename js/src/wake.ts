/** Calls a function when the network is back, or the user looks at the page again. The result ends that. */
export function onWake(wake: () => void): () => void {
  const visible = () => {
    if (globalThis.document.visibilityState === "visible") wake()
  }
  globalThis.addEventListener?.("online", wake)
  globalThis.document?.addEventListener("visibilitychange", visible)
  return () => {
    globalThis.removeEventListener?.("online", wake)
    globalThis.document?.removeEventListener("visibilitychange", visible)
  }
}
