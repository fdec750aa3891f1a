import { useMemo, useSyncExternalStore } from "react"
import type { Json } from "wirepost"
import { MessageList, nothing, type Messages } from "./list.js"
import { useClient } from "./provider.js"

export type { Messages } from "./list.js"

/** Which messages to show. */
export interface MessagesOptions {
  /** How many earlier messages are loaded at first, and with each `older()`: 0 to 1000; default: 50. */
  readonly history?: number
  /** How many messages are kept at most, when new ones come; default: 1000. */
  readonly max?: number
}

/**
 * Returns the messages of a channel, or of the inbox: earlier ones, then those that come live,
 * each once and in order. Messages that were revoked, or replaced by their collapse key, disappear.
 */
export function useMessages<T = Json | undefined>(channel?: string, { history = 50, max = 1000 }: MessagesOptions = {}): Messages<T> {
  const client = useClient()
  const list = useMemo(() => client && new MessageList<T>(client, channel, history, max), [client, channel, history, max])
  return useSyncExternalStore(list?.subscribe ?? never, list?.messages ?? empty, empty)
}

const never = () => () => {}
const empty = () => nothing
