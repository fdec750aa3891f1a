import { useMemo, useSyncExternalStore } from "react"
import type { Client, PresentUser, WirepostError } from "wirepost"
import { useClient } from "./provider.js"

/** The users present in a channel. */
export interface Present {
  /** The first 1000 users, in the order in which they came. */
  readonly users: readonly PresentUser[]
  /** The number of users. */
  readonly count: number
  /** Why the server refuses. */
  readonly error: WirepostError | undefined
}

const nobody: Present = { users: [], count: 0, error: undefined }

/** Returns the users present in a channel whose policy has presence, and subscribes to the channel. */
export function usePresence(channel: string): Present {
  const client = useClient()
  const room = useMemo(() => roomOf(client, channel), [client, channel])
  return useSyncExternalStore(room.subscribe, room.present, () => nobody)
}

function roomOf(client: Client | undefined, channel: string) {
  let present = nobody
  return {
    present: () => present,
    subscribe(changed: () => void): () => void {
      if (!client) return () => {}
      const room = client.presence(channel)
      const show = () => {
        present = { users: room.users, count: room.count, error: room.error }
        changed()
      }
      room.addEventListener("presence", show)
      room.addEventListener("error", show)
      return () => {
        room.removeEventListener("presence", show)
        room.removeEventListener("error", show)
        room.close()
      }
    },
  }
}
