import type { ErrorCode } from "./errors.js"
import type { Command, Frame, Hello } from "./frames.js"
import type { TransportName } from "./transport.js"

/**
 * What a client talks over: its own connection, or the one of all tabs. It comes
 * and goes by itself.
 */
export interface Line {
  /** Sends a command; nothing happens while the line is down. */
  send(command: Command): void
  /** Ends the line for good. It tells nothing more. */
  close(): void
}

/** Gets what a line brings. */
export interface LineEvents {
  /** A connection is there. `placed` channels began where this side wished. */
  up(hello: Hello, transport: TransportName, placed: readonly string[]): void
  /** A frame other than hello and bye, of so many characters. */
  frame(frame: Frame, size: number): void
  /** The connection is gone; another attempt follows. */
  down(reason: Down): void
  /** Something failed that does not end the line. */
  failed(code: ErrorCode, message: string): void
  /** The line has ended for good. */
  ended(code: ErrorCode, message: string): void
}

/** Why a connection is gone, and when the next attempt is made, in milliseconds. */
export interface Down {
  readonly code: number
  readonly reason: string
  readonly retryIn: number
}

/** What a line asks its owner before it connects. */
export interface Wishes {
  /** Channels besides the inbox, `all` and the memberships. */
  channels(): readonly string[]
  /** The last sequence of a channel that this side has. */
  position(channel: string): number | undefined
}

/** Who has a line. */
export type Owner = Wishes & LineEvents
