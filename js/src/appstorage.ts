import { guarded } from "./emitter.js"
import type { Area, ClientStorage } from "./storage.js"

/** The item that a client's state is kept in. */
const item = "wirepost"

/** Reads what was kept in an application's storage; changes are written as they are made. */
export async function openStorage(storage: ClientStorage): Promise<Area> {
  let text = await storage.getItem(item)
  const values = parse(text)
  return {
    getItem: (name) => values[name] ?? null,
    setItem(name, value) {
      values[name] = value
      const before = text
      text = JSON.stringify(values)
      const changed = text
      if (changed !== before) void guarded(() => storage.setItem(item, changed), undefined)
    },
  }
}

/** Something else may have written there. */
function parse(text: string | null): Record<string, string> {
  try {
    return { ...(JSON.parse(text ?? "{}") as Record<string, string>) }
  } catch {
    return {}
  }
}
