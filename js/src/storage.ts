const memory = new Map<string, string>()

type Area = "localStorage" | "sessionStorage"

/** What was kept under a name: per browser (localStorage) or per tab (sessionStorage). */
export function recall(area: Area, name: string): string | undefined {
  try {
    return globalThis[area].getItem(name) ?? undefined
  } catch {
    return memory.get(name) // storage is forbidden or missing
  }
}

/** Keeps a value across page loads; where the browser allows none, as long as the page lives. */
export function keep(area: Area, name: string, value: string): void {
  try {
    globalThis[area].setItem(name, value)
  } catch {
    memory.set(name, value)
  }
}
