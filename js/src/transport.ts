import type { Cursor } from "./cursor.js"
import type { WirepostError } from "./errors.js"
import type { Command, Frame } from "./frames.js"

/** How the client reaches the server. Only a WebSocket also carries what it sends. */
export type TransportName = "websocket" | "sse" | "poll"

/** Where and as whom to connect. */
export interface Address {
  /** Of the WebSocket, with http: or https:, and with all of the query. */
  readonly url: URL
  readonly token: string | undefined
  /** What is acknowledged, where a cursor says so. */
  readonly cursor: Cursor
}

/** Why a connection ended, or was refused. */
export interface Ending {
  readonly code: number
  readonly reason: string
  /** The server's wish, in milliseconds. */
  readonly retryAfter?: number | undefined
  /** What the server said, where it can be seen. */
  readonly error?: WirepostError
}

/** Gets what a transport brings. Nothing comes after `ended`. */
export interface Sink {
  /** Something arrived, be it a heartbeat. */
  heard(): void
  frame(frame: Frame): void
  ended(ending: Ending): void
}

/** One connection, from its opening to its end. */
export interface Transport {
  /** Sends a command. Those that only receive take nothing but `ack`. */
  send(command: Command): void
  /** Ends it. The sink hears no more. */
  close(): void
}

/** Opens a connection. */
export type Opener = (address: Address, sink: Sink) => Transport
