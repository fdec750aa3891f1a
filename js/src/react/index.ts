/**
 * Wirepost in React: a provider that holds one connection, and hooks over its client. On a
 * server that renders pages they connect to nothing and return their empty state.
 */
export { useChannel, type ChannelHandle } from "./channel.js"
export { useMessages, type Messages, type MessagesOptions } from "./messages.js"
export { usePresence, type Present } from "./presence.js"
export { WirepostProvider, type WirepostProviderProps } from "./provider.js"
export { useUnread } from "./unread.js"
export { useWirepost, type Wirepost } from "./wirepost.js"
