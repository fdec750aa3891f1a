/** Where it is kept that notifications are enabled. */
export const enabledKey = "wirepost:notifications"

const memory = new Map<string, unknown>()

/** What an application may keep a client's state in. All of it is one item. */
export interface ClientStorage {
  getItem(name: string): string | null | Promise<string | null>
  setItem(name: string, value: string): unknown
}

/** Per browser (localStorage), per tab (sessionStorage), or the application's own. */
export type Area = "localStorage" | "sessionStorage" | Pick<Storage, "getItem" | "setItem">

const storageOf = (area: Area) => (typeof area === "string" ? globalThis[area] : area)

/** Returns the value of a name. */
export function recall(area: Area, name: string): unknown {
  try {
    return JSON.parse(storageOf(area).getItem(name)!)
  } catch {
    return memory.get(name) // storage is forbidden or missing, or another script has written there
  }
}

/** Keeps a JSON value across page loads; where the browser allows none, as long as the page lives. */
export function keep(area: Area, name: string, value: unknown): void {
  try {
    storageOf(area).setItem(name, JSON.stringify(value))
  } catch {
    memory.set(name, value)
  }
}
