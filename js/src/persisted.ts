import type { Published, Restored } from "./client.js"
import type { ErrorCode, WirepostError } from "./errors.js"
import type { Entry, Hello, Message, Request, Result, Revoke } from "./frames.js"

/** What is kept in IndexedDB, and what the application keeps beside it. */
export interface Persist {
  /** The user whose messages these are. Default: the `user` of the URL, or the `sub` of a token that is not a function. */
  user?: string
  /** What the name of the database begins with; default: `wirepost`. */
  name?: string
  /** Of the application's object stores; default: 1. When it grows, `upgrade` is called. */
  version?: number
  /** Makes and changes the application's object stores, in the transaction of the upgrade. */
  upgrade?: (db: IDBDatabase, oldVersion: number, tx: IDBTransaction) => unknown
  /**
   * Applies a message to the application's object stores, in the transaction in which the
   * message is stored and the position moves: so each message is applied exactly once. It may
   * wait for requests of this transaction only. If it fails, nothing of the transaction is
   * done, and it is called again, after a pause; later messages of the channel wait.
   */
  apply?: (message: Message, tx: IDBTransaction) => unknown
  /** The same for the state after a gap, from `getState`. */
  applyState?: (state: Restored, tx: IDBTransaction) => unknown
  /** The same for a message that was taken back. */
  revoke?: (revoke: Revoke, tx: IDBTransaction) => unknown
  /** The server has another store: its messages and positions are removed in this transaction. */
  reset?: (tx: IDBTransaction) => unknown
  /** How many messages of a channel are kept; default: 1000. */
  maxMessages?: number
  /** How many publishes may wait in the outbox; default: 1000. */
  maxOutbox?: number
}

/** What is kept in IndexedDB of a client with `persist`. */
export interface Persisted {
  /** The open database, with the application's object stores. */
  readonly database: IDBDatabase
  /**
   * Calls a function for each message that is kept, oldest first, then for each that comes,
   * in this tab or another. It needs no connection. Returns a function that ends it.
   */
  inbox(show: (message: Message) => unknown, options?: InboxOptions): () => void
  /** What waits to be published, in order. */
  outbox(): Promise<readonly Waiting[]>
  /**
   * Closes the client and removes the database: for a user who logs out. What waits in the
   * outbox is lost. Rejects with `unavailable` if another tab keeps the database, as one that
   * is frozen: then it is removed when that tab is gone.
   */
  remove(): Promise<void>
}

/** What an inbox shows. */
export interface InboxOptions {
  /** Default: the user's inbox. */
  channel?: string
  /** How many of the messages that are kept; default: 100. */
  limit?: number
}

/** A publish that waits in the outbox. */
export type Waiting = Omit<Extract<Request, { readonly type: "publish" }>, "type">

/** What a client uses of its database. */
export interface Store {
  readonly user: string
  /** Of the server's store whose messages these are; undefined when there are none yet. */
  readonly epoch: string | undefined
  readonly persisted: Persisted
  /** The position in a channel, when the page was loaded or later. */
  position(channel: string): number | undefined
  /** There is a connection: what is kept of another store is removed. */
  up(hello: Hello): void
  /** This page's messages of a channel begin after a sequence: so does what is kept of it, if nothing is yet. */
  begin(channel: string, seq: number): void
  /** A channel has begun anew, with this head. */
  rewind(channel: string, head: number): void
  /**
   * Stores an entry, and has the application apply it, unless another tab has done so.
   *
   * @param done up to where this page is done
   */
  commit(entry: Entry, done: number | undefined, restored: Restored | undefined): Promise<void>
  publish(request: Extract<Request, { readonly type: "publish" }>, signal: AbortSignal | undefined): Promise<Pick<Result, keyof Published>>
}

/** What a database uses of its client. */
export interface Host {
  readonly persist: true | Persist
  readonly url: URL
  readonly token: unknown
  /** Calls a function when the client is connected, and another when it is closed, or if it is. */
  watch(opened: () => void, closed: (reason: WirepostError | undefined) => void): void
  isOpen(): boolean
  request(request: Request): Promise<Result>
  /** Messages may be delivered: there is something that handles them. */
  start(): void
  /** Goes back in a channel: what comes after that is sent again. */
  back(channel: string, seq: number): void
  /** How long to wait before the next attempt. */
  pauses(): () => number
  error(code: ErrorCode, message: string): WirepostError
  failed(code: ErrorCode, message: string): void
  /** Ends the client. */
  end(code?: ErrorCode, message?: string): void
}
