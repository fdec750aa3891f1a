import { randomId } from "./id.js"
import { keep, recall } from "./storage.js"

/** Returns the name of this browser, which stays the same in localStorage. */
export function ownDevice(): string {
  const kept = String(recall("localStorage", "wirepost:device"))
  const name = /^[0-9a-f]{32}$/.test(kept) ? kept : randomId() // another script may have written there
  keep("localStorage", "wirepost:device", name)
  return name
}
