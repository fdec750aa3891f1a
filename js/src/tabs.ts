import type { Channel } from "./channel.js"
import type { ErrorCode } from "./errors.js"
import type { Command, Frame, Hello } from "./frames.js"
import type { Down, Connection, Owner } from "./connection.js"
import type { TransportName } from "./transport.js"

/** What a tab says to the tab that leads. */
export type Note = { readonly from: string } & (
  | { readonly kind: "join" | "leave" | "ping" | "pong" }
  | { readonly kind: "command"; readonly connection: string; readonly command: Command; readonly time: number }
)

/** What the tab that leads says to the tabs. Without `to` it is for all of them. */
export type Notice = { readonly to?: readonly string[] } & (
  | { readonly kind: "up"; readonly hello: Hello; readonly transport: TransportName }
  | { readonly kind: "frame"; readonly frame: Frame; readonly size: number; readonly cursor?: string | undefined }
  | { readonly kind: "down"; readonly reason: Down }
  | { readonly kind: "failed" | "ended"; readonly code: ErrorCode; readonly message: string }
  | { readonly kind: "ping" | "pong" }
)

/** Opens the connection of all tabs. */
export type MakeLink = (owner: Owner) => Connection

/** What the tab that leads knows of its channels, for tabs that come later. */
export type Standings = ReadonlyMap<string, Pick<Channel, "name" | "member" | "head" | "read" | "unread">>
