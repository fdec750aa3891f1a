import { all } from "./channels.js"
import type { Client } from "./client.js"
import type { Connection } from "./connection.js"
import { acknowledgeDelay, acknowledgeSize } from "./limits.js"
import { savePositions, type Positions } from "./positions.js"

/** What acknowledgements depend on. */
export interface Acknowledging extends Positions {
  _state: Client["state"]
  /** Undefined until it is known how to connect. */
  _connection?: Connection | undefined
  /** The size of the frames received since the last acknowledgement. */
  _size: number
  _timer?: ReturnType<typeof setTimeout> | undefined
}

/** Acknowledges soon: with what follows, unless the server's window could fill up meanwhile. */
export function acknowledgeSoon(client: Acknowledging): void {
  if (client._size >= acknowledgeSize) acknowledge(client)
  else client._timer ??= setTimeout(() => acknowledge(client), acknowledgeDelay)
}

/** Acknowledges what the application has handled. Without a connection it only stops the timer. */
export function acknowledge(client: Acknowledging): void {
  clearTimeout(client._timer)
  client._timer = undefined
  client._size = 0
  if (client._state !== "open") return
  for (const c of all(client)) {
    if (c._settled <= c._acknowledged) continue
    c._acknowledged = c._settled
    if (c._agreed) client._connection?.send({ type: "ack", channel: c.name, seq: c._settled })
  }
  savePositions(client)
}
