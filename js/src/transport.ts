import type { Command, Frame } from "./frames.js"

/** How the client reaches the server. Only a WebSocket also carries what it sends. */
export type TransportName = "websocket" | "sse" | "poll"

/** Why a connection ended, or was refused. */
export interface CloseInfo {
  readonly code: number
  readonly reason: string
}

/** Gets what a transport brings. Nothing comes after `ended`. */
export interface Sink {
  /** Something arrived, be it a heartbeat. */
  heard(): void
  /** A frame, of so many characters, and the cursor after it: without a WebSocket, where it may be empty. */
  frame(frame: Frame, size: number, cursor?: string): void
  ended(info: CloseInfo): void
}

/** One connection, from its opening to its end. */
export interface Transport {
  /** Sends a command. Those that only receive take nothing but `ack`. */
  send(command: Command): void
  /** Ends it. The sink hears no more. */
  close(): void
}
