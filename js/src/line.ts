import type { WirepostError } from "./errors.js"
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
  /** A frame other than hello and bye. */
  frame(frame: Frame): void
  /** The connection is gone; another attempt follows. */
  down(reason: Down): void
  /** Something failed that does not end the line. */
  failed(error: WirepostError): void
  /** The line has ended for good. */
  ended(error: WirepostError): void
}

/** Why a connection is gone, and when the next attempt is made, in milliseconds. */
export interface Down {
  readonly code: number
  readonly reason: string
  readonly retryIn: number
}
