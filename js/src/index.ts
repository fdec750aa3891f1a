/**
 * The browser's side of Wirepost. `connect` makes a client that gets every message
 * at least once and in order; `ReliableWebSocket` is a `WebSocket` that comes back.
 */
export { ReliableWebSocket } from "./reliable.js"
export type { ReliableOptions, ReliableURL } from "./reliable.js"
export { connect } from "./connect.js"
export type { Client, EnableOptions, Events, History, HistoryOptions, NotificationState, Options, Presence, Published, PublishOptions, Restored, State, StateChange, Subscription } from "./client.js"
export type { Backoff } from "./backoff.js"
export type { Handler } from "./channel.js"
export { closeCodes, mayReconnect } from "./codes.js"
export type { Logger } from "./emitter.js"
export { WirepostError } from "./errors.js"
export type { ErrorCode } from "./errors.js"
export type { ChannelState, Gap, Hello, Json, Membership, Message, PresenceChange, PresentUser, Revoke } from "./frames.js"
export type { InboxOptions, Persist, Persisted, Waiting } from "./persisted.js"
export type { Down } from "./connection.js"
export type { WebSocketClass } from "./socket.js"
export type { ClientStorage } from "./storage.js"
export type { Token } from "./token.js"
export type { TransportName } from "./transport.js"
