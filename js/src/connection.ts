import type { ErrorCode } from "./errors.js"
import type { Command, Frame, Hello } from "./frames.js"
import type { TransportName } from "./transport.js"

/**
 * What a client talks over: a connection of its own, or the one that all tabs share.
 * It reconnects by itself.
 */
export interface Connection {
  /** Sends a command; does nothing while it is not connected. */
  send(command: Command): void
  /** Connects at once, or checks that the connection is alive. Missing in older versions of wirepost-more.js. */
  wake?(): void
  /** Closes it for good. No event follows. */
  close(): void
}

/** Receives the events of a connection. */
export interface ConnectionEvents {
  /** It is connected. The `resumed` channels start at the requested positions. */
  up(hello: Hello, transport: TransportName, resumed: readonly string[]): void
  /** A frame other than hello and bye, of so many characters, and the cursor after it: see Sink. */
  frame(frame: Frame, size: number, cursor?: string): void
  /** It is disconnected; another attempt follows. */
  down(reason: Down): void
  /** Something failed that does not close it. */
  failed(code: ErrorCode, message: string): void
  /** It is closed for good. */
  ended(code: ErrorCode, message: string): void
}

/** Why a connection was lost, and when the next attempt is made, in milliseconds. */
export interface Down {
  readonly code: number
  readonly reason: string
  readonly retryIn: number
}

/** What a connect request contains: asked for before each attempt. */
export interface ConnectRequest {
  /** Channels besides the inbox, `all` and the memberships. */
  channels(): readonly string[]
  /** The last sequence of a channel that this side has received. */
  position(channel: string): number | undefined
  /** The cursor at which to begin without a WebSocket. */
  cursor?(): string
}

/** The user of a connection. */
export type Owner = ConnectRequest & ConnectionEvents
