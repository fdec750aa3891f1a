import { useClient } from "./provider.js"
import { useValue } from "./wirepost.js"

const events = ["unread", "open", "reset"] as const

/** Returns how many messages of a channel are unread; default: of the inbox. Only memberships are counted. */
export function useUnread(channel?: string): number {
  return useValue(useClient(), events, (client) => client.unread(channel)) ?? 0
}
