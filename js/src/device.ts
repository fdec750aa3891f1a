import { randomId } from "./id.js"
import { keep, recall, type Area } from "./storage.js"

/** Returns the name of this browser, which stays the same in an area. */
export function ownDevice(area: Area): string {
  const kept = String(recall(area, "wirepost:device"))
  const name = /^[0-9a-f]{32}$/.test(kept) ? kept : randomId() // another script may have written there
  keep(area, "wirepost:device", name)
  return name
}
