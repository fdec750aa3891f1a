import { acknowledgeSoon, type Acknowledging } from "./acknowledge.js"
import type { Channel } from "./channel.js"
import { all, known } from "./channels.js"
import type { Events, Restored, State } from "./client.js"
import type { Emitter } from "./emitter.js"
import type { Entry, Gap, Hello, Revoke } from "./frames.js"
import type { Store } from "./persisted.js"
import type { TransportName } from "./transport.js"

/** What delivery to the application depends on. */
export interface Delivering extends Acknowledging, Pick<Emitter<Events>, "on" | "_emit" | "_listeners" | "_call"> {
  /** The last `hello`, also while there is no connection. */
  _hello?: Hello
  _transport?: TransportName
  /** There is a handler: entries wait for the first one. */
  _started?: boolean
  /** What is kept in IndexedDB. */
  _kept?: Store
  /** Gets the state after a gap, if the application has a source of states. */
  _restore?: (gap: Gap) => Promise<State>
}

/** Takes in an entry. It is held while the position in its channel is being agreed on. */
export function take(client: Delivering, entry: Entry): void {
  const c = known(client, entry.channel)
  if (client._kept && c._done === undefined && entry.type === "message") client._kept.begin(c.name, (c._done = entry.prev))
  if (c._held) c._held.push(entry)
  else count(client, c, () => c._take(entry) && run(client, c))
}

/** Makes a change to a channel, and reports its count of unread messages if that changed. */
export function count(client: Delivering, c: Channel, change: () => unknown): void {
  const before = c.unread
  change()
  if (c._unsure) {
    c._unsure = false
    if (client._transport !== "websocket") c.unread++ // the server cannot be asked
    else setTimeout(() => client._connection?.send({ type: "state", channel: c.name }), Math.random() * 1000) // not all clients at once
  }
  if (c.unread !== before) client._emit("unread", { channel: c.name, unread: c.unread })
}

/** Starts delivery. */
export function start(client: Delivering): void {
  client._started = true
  for (const c of all(client)) run(client, c)
}

function run(client: Delivering, c: Channel): void {
  if (client._started) void c._run((entry) => deliver(client, c, entry), () => acknowledgeSoon(client))
}

async function deliver(client: Delivering, c: Channel, entry: Entry): Promise<void> {
  if (entry.type !== "message") client._emit(entry.type, entry as Gap & Revoke)
  let restored: Restored | undefined
  if (entry.type === "gap" && client._restore) {
    restored = { ...(await client._restore(entry)), channel: c.name, gap: entry }
    c._restored = restored.seq
    await call(client, client._listeners("restored"), restored)
  }
  if (entry.type === "message" && !(entry.seq <= c._restored!)) {
    const message = { ...entry, epoch: client._hello!.epoch } // entries of another store were dropped
    await call(client, [...c._handlers, ...client._listeners("message")], message)
  }
  await client._kept?.commit(entry, c._done, restored)
}

const call = <E>(client: Delivering, listeners: ((event: E) => unknown)[], event: E) => Promise.all(listeners.map((listener) => client._call(listener, event)))
