import type { Backoff } from "./backoff.js"
import type { Handler } from "./channel.js"
import type { WirepostError } from "./errors.js"
import type { Gap, Hello, Json, Membership, Message, PresenceChange, PresentUser, Revoke } from "./frames.js"
import type { Down } from "./connection.js"
import type { Logger } from "./emitter.js"
import type { WebSocketClass } from "./socket.js"
import type { ClientStorage } from "./storage.js"
import type { Persist, Persisted } from "./persisted.js"
import type { Token } from "./token.js"
import type { TransportName } from "./transport.js"

/** A connection to the user's messages. Made by `connect`. */
export interface Client extends AsyncIterable<Message> {
  /** The name of this device; empty until it has been read from an asynchronous `storage`. */
  readonly device: string
  readonly state: "connecting" | "open" | "closed"
  /** How messages are received; undefined before the first connection. */
  readonly transport: TransportName | undefined
  /** The user ID, from the server. */
  readonly user: string | undefined

  /**
   * Resolves when the client is connected and its handlers are done with every message that
   * was there at that moment; without a handler, when it is connected. Rejects with the reason
   * when the client is closed.
   */
  ready(): Promise<void>

  /**
   * Adds a listener; returns a function that removes it. The type of the data of messages,
   * as in `on<Note>("message", …)`, is the application's word: it is not checked.
   */
  on<T = Json | undefined>(name: "message", listener: Handler<T>): () => void
  on<K extends keyof Events>(name: K, listener: (event: Events[K]) => unknown): () => void

  /** The messages, one by one. A message is acknowledged when the next one is asked for. */
  [Symbol.asyncIterator](): AsyncGenerator<Message, void, void>

  /**
   * Subscribes to a channel, across reconnects and reloads of the page. The handler
   * gets its messages in order, one at a time; if it is asynchronous, the next
   * comes when it is done.
   *
   * Resolves when the server has agreed, and rejects with `forbidden` and the like.
   */
  subscribe<T = Json | undefined>(channel: string, handler: Handler<T>): Promise<Subscription>

  /**
   * Who is present in a channel whose policy has presence: a list that stays up to date,
   * across reconnects. It subscribes to the channel.
   */
  presence(channel: string): Presence

  /**
   * Reads older messages of a channel, newest first, or with `after` newer ones, oldest
   * first. Nothing is acknowledged by it. While there is no connection it waits.
   */
  history<T = Json | undefined>(channel: string, options?: HistoryOptions): Promise<History<T>>

  /**
   * Publishes a JSON value, a text (with a `contentType` like `text/plain`) or bytes
   * (a Uint8Array or ArrayBuffer).
   * While there is no connection it waits, among at most 256 requests, and is sent
   * once more if the connection breaks before the response: its id lets the server
   * store it once.
   */
  publish(to: string, data: Json | object, options?: PublishOptions): Promise<Published>

  /**
   * Calls a method of the application behind the server. A call that was sent is not
   * repeated. A signal, like `AbortSignal.timeout(5000)`, limits how long it may take.
   */
  call<T = Json>(method: string, data?: Json | object, options?: { signal?: AbortSignal }): Promise<T>

  /**
   * The user has read this message and everything before it in its channel. All devices
   * are notified. A message of another store than the current one changes nothing.
   */
  read(message: Pick<Message, "channel" | "seq" | "epoch">): Promise<void>

  /** What is kept in IndexedDB, with the option `persist`. Rejects when that is impossible. */
  persisted(): Promise<Persisted>

  /** How many messages of a channel are unread; default: of the inbox. Only memberships are counted. */
  unread(channel?: string): number

  /**
   * Has this browser show notifications of messages that no device of the user has
   * acknowledged, also while no page is open: asks the user for the permission, subscribes to
   * Web Push, and sends the subscription to the server. Call it when the user clicks:
   * browsers do not ask otherwise.
   *
   * From then on, each client of this user in this browser keeps that up to date, and closes
   * notifications of messages that have been read. If another user connects in this
   * browser, it ends.
   *
   * Rejects with `denied`, `unsupported`, `disabled` (see NotificationState), with
   * `unavailable`, also while there is no WebSocket, or as the server refuses.
   */
  enableNotifications(options?: EnableOptions): Promise<void>

  /** Ends it, and closes the notifications that are shown. Call it before a user logs out. */
  disableNotifications(): Promise<void>

  /** Whether this browser shows notifications for this user. Waits for the first connection. */
  notifications(): Promise<NotificationState>

  /**
   * Connects at once if there is no connection, and otherwise checks that it is alive. The
   * client does this by itself where the browser says that the page is visible or the network
   * back. Call it where something else knows, as when an app comes to the foreground. In a
   * tab that uses the connection of another one it does nothing.
   */
  reconnect(): void

  /** Ends the client. Requests that wait are rejected with `closed`. */
  close(): void
}

/** Who is present in a channel. It dispatches `presence` when that has changed, and `error` when the server refuses. */
export interface Presence extends EventTarget {
  readonly channel: string
  /** The number of users. */
  readonly count: number
  /** The first 1000 of them, in the order in which they came. */
  readonly users: readonly PresentUser[]
  /** Why the server refuses. */
  readonly error?: WirepostError
  /** Ends it. */
  close(): void
}

/** Which messages to read. */
export interface HistoryOptions {
  /** Read those before this sequence; default: from the newest one on. */
  before?: number
  /** Read those after this sequence instead. */
  after?: number
  /** 1 to 1000; default: 100. */
  limit?: number
  /** Stops waiting for the response. */
  signal?: AbortSignal
}

/** A page of messages. */
export interface History<T = Json | undefined> {
  readonly messages: readonly Message<T>[]
  /** The `before`, or `after`, of the next page. The last page has no messages. */
  readonly next: number
  /** The user's read mark in the channel, in the inbox and memberships. */
  readonly read?: number
}

/** What notifications show, unless the message that was pushed says it, and who shows them. */
export interface EnableOptions {
  /** Default: the name of the page's host. */
  title?: string
  /** Default: the message, if it is a text. */
  body?: string
  /** The URLs of images. */
  icon?: string
  badge?: string
  /** The page to open. Default: any page of the origin that is open, or `/`. */
  url?: string
  /**
   * Default: `wirepost-sw.js` beside the WebSocket endpoint. The URL of a worker that
   * imports this script with `importScripts`, if the endpoint has another origin than
   * the page; or the page's own worker, which has imported it, and whose subscription becomes
   * that of the server. There the texts are those of its `self.wirepostNotification`.
   */
  serviceWorker?: string | URL | ServiceWorkerRegistration
}

/**
 * `on`; `off`: may be enabled; `denied`: blocked in the browser's settings;
 * `unsupported` by the browser, or the page has no https; `disabled` at the server.
 */
export type NotificationState = "on" | "off" | "denied" | "unsupported" | "disabled"

/** How to publish. */
export interface PublishOptions {
  /** Lets the server store it once; default: a random one. */
  id?: string
  /** The collapse key. */
  key?: string
  contentType?: string
  /** Stops waiting for the response. */
  signal?: AbortSignal
}

/** Options of a client. Everything has a default. */
export interface Options {
  /** A token, or a function that fetches one. Without: the cookie `wirepost_token`, or `?user=` in development. */
  token?: Token
  /**
   * The name of this device; default: a random one, kept in localStorage. Where
   * tokens are bound to a device it is that one's; "" leaves it to the token.
   */
  device?: string
  /** Channels to subscribe to from the beginning, for `on("message")`. */
  channels?: readonly string[]
  /**
   * One connection for all tabs that connect like this, with the same text if it is
   * one. Give the user's id where a browser may change users: the connection is of
   * the user whose token made it.
   */
  shared?: boolean | string
  /** What to try, in this order; default: all three. */
  transports?: readonly TransportName[]
  /** The class to connect with, like that of the package `ws`; default: the platform's. */
  WebSocket?: WebSocketClass
  /**
   * Where the device's name and positions in channels are kept, like the AsyncStorage of
   * React Native; default: localStorage and sessionStorage, or nowhere.
   */
  storage?: ClientStorage
  /**
   * Gets the state of a channel from the application's backend after messages were removed
   * that this client never got. It is delivered as `restored`, before any later message;
   * until it succeeds, it is called again.
   */
  getState?: (gap: Gap) => State | Promise<State>
  /** Keeps messages and publishes in IndexedDB. Loads `wirepost-persist.js`. */
  persist?: true | Persist | undefined
  /** How long to wait before an attempt to connect. */
  backoff?: Backoff
  /** Gets what happens, without messages and tokens. */
  logger?: Logger
}

/** What `getState` returns. */
export interface State {
  /** For the listeners of `restored`. */
  readonly data?: unknown
  /** The last sequence whose message the state includes: that message and earlier ones are not delivered any more. */
  readonly seq?: number
}

/** The state of a channel after a gap. */
export interface Restored extends State {
  readonly channel: string
  readonly gap: Gap
}

/** The events of a client. */
export interface Events {
  /** A message of any channel. Handlers may be asynchronous: it is acknowledged when they are done. */
  message: Message
  /** Retention removed messages that this client never got: fetch the state anew. */
  gap: Gap
  /** The state of a channel after a gap, from `getState`. Later messages wait for listeners, which may be asynchronous. */
  restored: Restored
  /** A message was taken back. */
  revoke: Revoke
  /** The count of unread messages of a channel changed. */
  unread: { readonly channel: string; readonly unread: number }
  /** The backend, or a new token, began or ended a membership. */
  subscribed: Membership
  unsubscribed: Membership
  /** Somebody joined or left a channel of `presence`. */
  presence: PresenceChange
  /** The state changed: why, unless it is open now or `close` was called. */
  state: StateChange
  /** Connected, and each time anew. */
  open: Hello
  /** The transport changed. */
  transport: TransportName
  /** The connection broke; the next attempt follows by itself. */
  disconnect: Down
  /** The server has another store than before: sequences, and what depends on them, are void. */
  reset: Hello
  /** Something failed that does not end the client. */
  error: WirepostError
  /** The end: without an error after `close()`. */
  close: WirepostError | undefined
}

/** How the state of a client changed. */
export interface StateChange {
  readonly from: Client["state"]
  readonly to: Client["state"]
  readonly reason?: Down | WirepostError | undefined
}

/** What a publish resulted in. */
export interface Published {
  readonly id: string
  readonly seq: number
  /** A message with this id was there already: nothing new was published. */
  readonly duplicate: boolean
}

/** A subscription to a channel. */
export interface Subscription {
  readonly channel: string
  /** Ends it. The last one of a client and channel unsubscribes at the server. */
  unsubscribe(): void
}
