import type { Channel, Handler } from "./channel.js"
import { known, wanted } from "./channels.js"
import type { Subscription } from "./client.js"
import { count, start, take, type Delivering } from "./delivery.js"
import { closed, type WirepostError } from "./errors.js"
import type { Membership, ChannelState, Result } from "./frames.js"
import { checkName } from "./names.js"
import type { Requests } from "./requests.js"

/** What subscriptions depend on. */
export interface Subscribing extends Delivering {
  readonly _requests: Requests
}

/** Returns a channel, which the application asks for. */
export function want(client: Subscribing, name: string): Channel {
  checkName("channel", name)
  const c = known(client, name)
  c._wanted = true
  return c
}

/** Subscribes a handler; see Client.subscribe. */
export async function subscribe(client: Subscribing, name: string, handler: Handler): Promise<Subscription> {
  if (client._state === "closed") throw closed()
  const c = want(client, name)
  c._handlers.add(handler)
  start(client)
  const unsubscribe = () => void (c._handlers.delete(handler) && leave(client, c))
  try {
    if (!c._agreed) {
      await new Promise<void>((resolve, reject) => {
        const waiting = c._joining.push((error) => (error ? reject(error) : resolve()))
        if (waiting === 1 && client._state === "open") ask(client, c)
      })
    }
  } catch (thrown) {
    unsubscribe()
    throw thrown
  }
  return { channel: name, unsubscribe }
}

/** Unsubscribes from a channel that has no handler any more. */
function leave(client: Subscribing, c: Channel): void {
  if (c._handlers.size || !c._wanted) return
  c._wanted = false
  if (!c._agreed || c.member) return
  c._agreed = false
  c._forget()
  delete client._positions[c.name]
  client._connection?.send({ type: "unsubscribe", ref: 0, channel: c.name }) // no request has this ref: the response is ignored
}

/** Sends a subscribe request, with the position of this page in the channel. */
export function ask(client: Subscribing, c: Channel): void {
  const hello = client._hello
  const kept = client._kept ? client._kept.position(c.name) : client._positions[c.name]
  if (!c.member && Number.isSafeInteger(kept)) c._received ??= kept as number
  const after = c._received
  const request = { type: "subscribe", channel: c.name, after } as const
  if (client._transport !== "websocket") return client._connection?.send(request)
  if (after !== undefined) c._held = []
  const current = () => client._state === "open" && hello === client._hello
  const done = ({ seq = 0 }: Result) => {
    if (!current()) return
    c._agreed = true
    if (after === undefined) client._kept?.begin(c.name, seq)
    c._done ??= after ?? seq
    c._held = undefined // the server sends it again, from the right position
    c._joined()
    if (after === undefined || after <= seq) return void (c._received ??= seq)
    // This is the log of a channel in memory, of a server that was restarted.
    c._forget()
    c._received = 0
    client._kept?.rewind(c.name, seq)
    ask(client, c)
  }
  client._requests._add(request, undefined, done).catch((error: WirepostError) => current() && declined(client, c, error))
}

function declined(client: Subscribing, c: Channel, error: WirepostError): void {
  const held = c._held ?? []
  c._held = undefined
  for (const entry of held) take(client, entry)
  if (c._joining.length) c._joined(error)
  else if (c._wanted) client._emit("error", error)
}

/** Takes in a channel that a connection has from its start. */
export function agreed(client: Subscribing, name: string, state: ChannelState, resumed: readonly string[]): void {
  const c = known(client, name)
  const duplex = client._transport === "websocket"
  c._agreed = true
  const kept = client._kept
  if (kept && c._received === undefined) {
    // It begins where the page before it, or another one, has got to.
    c._received = kept.position(name) ?? state.start ?? state.after
    resumed = []
  }
  c._done ??= kept ? c._received : state.after
  // Where the URL asks for channels, those are in the list too, and nothing is counted.
  if (duplex || !c._wanted) {
    c.member = true
    count(client, c, () => c._count(state))
    client._requests._read(name, state.read)
  }
  c._joined()
  // The device's position may be ahead of this page's, for other tabs move it too. And a
  // log whose head is before this page's position is another log: only the server knows.
  const { _received: received = state.seq } = c
  if (!duplex) received > state.seq && c._forget()
  else if (received > state.seq || (received < state.seq && !resumed.includes(name))) ask(client, c)
}

/** Takes in that a membership began or ended. */
export function changed(client: Subscribing, frame: Membership): void {
  const c = known(client, frame.channel)
  c.member = c._agreed = frame.type === "subscribed"
  count(client, c, () => (c.unread = 0))
  client._emit(frame.type, frame)
  if (c._wanted && !c._agreed) ask(client, c)
}

/** Drops what a fallback was refused for: the channels that were never agreed to, else all that were asked for. */
export function refused(client: Subscribing, error: WirepostError): void {
  const asked = wanted(client)
  const fresh = asked.filter((c) => c._joining.length)
  for (const c of fresh.length ? fresh : asked) {
    c._wanted = false
    c._joined(error)
  }
}
