import { wanted, type Channels } from "./channels.js"
import type { Hello } from "./frames.js"
import { keep, recall, type Area } from "./storage.js"

/** Positions in channels without a membership, of which the server keeps none: by default in sessionStorage, across reloads of the page. */
export interface Positions extends Channels {
  /** Where they are kept, if not in sessionStorage. */
  _area?: Area | undefined
  /** Their name there: they mean nothing in another store, or to another user. */
  _store?: string
  /** Sequences by channel, unless another script has written there. */
  _positions: Record<string, unknown>
}

export function loadPositions(client: Positions, { epoch, user }: Hello): void {
  client._store = `wirepost:${epoch} ${user}`
  client._positions = Object(recall(client._area ?? "sessionStorage", client._store)) as Positions["_positions"]
}

export function savePositions(client: Positions): void {
  for (const c of wanted(client)) if (!c.member && c._settled) client._positions[c.name] = c._settled
  keep(client._area ?? "sessionStorage", client._store!, client._positions)
}
