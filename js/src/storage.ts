/** Where it is kept that notifications are enabled. */
export const enabledKey = "wirepost:notifications"

const memory = new Map<string, unknown>()

type Area = "localStorage" | "sessionStorage"

/** Returns the value of a name: per browser (localStorage) or per tab (sessionStorage). */
export function recall(area: Area, name: string): unknown {
  try {
    return JSON.parse(globalThis[area].getItem(name)!)
  } catch {
    return memory.get(name) // storage is forbidden or missing, or another script has written there
  }
}

/** Keeps a JSON value across page loads; where the browser allows none, as long as the page lives. */
export function keep(area: Area, name: string, value: unknown): void {
  try {
    globalThis[area].setItem(name, JSON.stringify(value))
  } catch {
    memory.set(name, value)
  }
}
