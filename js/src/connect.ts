import { abortable } from "./abortable.js"
import type { Handler } from "./channel.js"
import type { Client, Events, History, Options } from "./client.js"
import { all } from "./channels.js"
import { makeBackoff } from "./backoff.js"
import { start } from "./delivery.js"
import { ownDevice } from "./device.js"
import { emitter, type Logger } from "./emitter.js"
import { endpoint } from "./endpoint.js"
import { WirepostError, wording, type ErrorCode } from "./errors.js"
import { randomId } from "./id.js"
import type { Owner } from "./connection.js"
import { openPersistence } from "./persistence.js"
import { openLink } from "./link.js"
import { more, notify, type More } from "./more.js"
import { checkName } from "./names.js"
import type { Notifications } from "./notifications.js"
import { json, payload } from "./payload.js"
import { openRequests } from "./requests.js"
import { openSession, type Session } from "./session.js"
import { enabledKey, recall, type Area } from "./storage.js"
import { subscribe, want } from "./subscriptions.js"
import { until } from "./until.js"

/**
 * Connects to a server. Returns at once and connects in the background, now and
 * whenever the connection breaks. Delivery starts with the first handler.
 *
 * @param url of the WebSocket endpoint, absolute or relative to the page; or those of
 * several nodes of a cluster, to be used in a random order
 * @throws WirepostError `bad_request` for an invalid URL or option, and `unsupported` where
 * there is no WebSocket
 */
export function connect(url: string | URL | readonly (string | URL)[], { storage, device = storage ? undefined : ownDevice("localStorage"), channels = [], shared, token, transports = ["websocket", "sse", "poll"], WebSocket: Socket, backoff, logger, getState, persist }: Options = {}): Client {
  if (device) checkName("device", device)
  const nodes = [url].flat().map((url) => {
    const at = endpoint(url as string)
    if (!at) throw new WirepostError("bad_request", `bad URL ${url}`)
    at.hash = ""
    return at
  })
  if (!nodes[0]) throw new WirepostError("bad_request", "bad URL")
  if (transports.includes("websocket") && !(Socket ?? globalThis.WebSocket)) throw new WirepostError("unsupported", "no WebSocket: use Node.js 22, or the option WebSocket with that of the package ws")

  const requests = openRequests()
  const pauses = makeBackoff(backoff)
  const events = emitter<Events>(logger, levels)
  const session: Session = { _state: "connecting", _channels: new Map(), ...events, _requests: requests, _positions: {}, _size: 0 }
  for (const name of channels) want(session, name)._handlers.add(() => {}) // a handler that stays
  const owner = openSession(session)
  if (getState) session._restore = (gap) => until(session, () => getState(gap), makeBackoff(backoff), (message) => owner.failed("unavailable", `getState: ${message}`))
  const error = (code: ErrorCode, message: string) => new WirepostError(code, message)
  const kept = persist && openPersistence(session, owner, { persist, url: nodes[0], token }, backoff)
  kept?.catch(() => {}) // it ends the client
  void open()

  /** Opens a connection of its own, or joins the one that all tabs share, where that is possible. */
  async function open(): Promise<void> {
    if (storage) session._area = (await load((m) => m.openStorage(storage))) as Area | undefined // where that fails, nothing is kept
    device ??= ownDevice(session._area ?? "localStorage")
    if (device) for (const at of nodes) at.searchParams.set("device", device)
    await kept?.catch(() => {})
    const make = (owner: Owner) => openLink(nodes, token, transports, owner, pauses, Socket)
    const join = shared ? await load((m) => m.share) : undefined // where that fails, this tab has its own connection
    if (session._state !== "closed") session._connection = join?.(`${nodes} ${shared}`, make, session._channels, owner) ?? make(owner)
  }

  /** Uses the second module. */
  function load<T>(use: (m: More) => T) {
    return more().then(use).catch((thrown: unknown) => owner.failed("unavailable", wording(thrown)))
  }

  let notifications: Promise<Notifications> | undefined

  /** Opens what keeps this browser subscribed to Web Push. */
  function notifying(): Promise<Notifications> {
    return (notifications ??= notify().then(
      (m) => m.openNotifications({ client, nodes, hello: () => session._hello, mark: (name) => session._channels.get(name)?.read ?? 0, request: requests._add, error, failed: owner.failed }),
      (thrown: unknown) => {
        notifications = undefined
        throw error("unavailable", wording(thrown))
      },
    ))
  }

  const client: Client = {
    get device() {
      return device ?? ""
    },

    get state() {
      return session._state
    },

    get transport() {
      return session._transport
    },

    get user() {
      return session._hello?.user
    },

    async ready() {
      const progress = () => (session._started ? all(session).flatMap(({ name, _agreed, _done: done = 0 }) => (_agreed ? { name, done, head: session._hello!.channels[name]?.seq } : [])) : [])
      return (await more()).ready(client, progress, requests._add)
    },

    async persisted() {
      return (await (kept ?? Promise.reject(error("unsupported", "the client has no option persist")))).persisted
    },

    on: ((name, listener) => {
      const off = events.on(name, listener)
      if (name === "message") start(session)
      return off
    }) as typeof events.on,

    async *[Symbol.asyncIterator]() {
      yield* (await more()).iterate(this)
    },

    subscribe: (name, handler) => subscribe(session, name, handler as Handler),

    presence(channel) {
      const room = Object.assign(new EventTarget(), { channel, count: 0, users: [], closed: false, close: () => void (room.closed = true) })
      void load((m) => m.present(this, room, requests._add))
      return room
    },

    history: (channel, { signal, ...page } = {}) => requests._add({ type: "history", channel, ...page }, signal) as Promise<History<never>>,

    async publish(to, data, { id = randomId(), key, contentType, signal } = {}) {
      const { publish } = kept ? await abortable(kept, signal) : { publish: requests._add }
      const { seq = 0, duplicate = false } = await publish({ type: "publish", to, id, ...payload(data), key, content_type: contentType }, signal)
      return { id, seq, duplicate }
    },

    async call(method, data = null, { signal } = {}) {
      const { data: result = null } = await requests._add({ type: "call", method, data: json(data) }, signal)
      return result as never
    },

    async read({ channel, seq, epoch = session._hello?.epoch }) {
      if (epoch === session._hello?.epoch && !(seq <= session._channels.get(channel)!?.read)) await requests._add({ type: "read", channel, seq })
    },

    unread(channel = `user:${session._hello?.user}`) {
      return session._channels.get(channel)?.unread ?? 0
    },

    async enableNotifications(options) {
      const permission = globalThis.Notification?.requestPermission() // at once: later it is no response to a click
      return (await notifying()).enable(await permission, options)
    },

    disableNotifications: async () => (await notifying()).disable(),
    notifications: async () => (await notifying()).state(),
    reconnect: () => session._connection?.wake?.(),
    close: owner._close,
  }
  if (recall("localStorage", enabledKey)) notifying().catch(() => {}) // with the next page
  return client
}

/** The levels at which events are logged; the others are `debug`. */
const levels: { readonly [K in keyof Events]?: keyof Logger } = { state: "info", transport: "info", reset: "warn", gap: "warn", error: "warn" }
