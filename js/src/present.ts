import type { Client, Presence } from "./client.js"
import type { WirepostError } from "./errors.js"
import type { PresenceState, PresentUser } from "./frames.js"
import type { Requests } from "./requests.js"

type Room = { -readonly [K in keyof Presence]: Presence[K] } & { closed: boolean }

/**
 * Keeps a room up to date until it is closed. Each connection is asked for the
 * whole list once, and then sends what changes.
 */
export function present(client: Client, room: Room, request: Requests["_add"]): void {
  const { channel } = room
  const off: (() => void)[] = []
  let users = new Map<string, PresentUser>()
  let current = 0 // the number of the connection whose list this is; 0: it has not come yet
  let connections = 0

  function show(count: number): void {
    room.count = count
    room.users = [...users.values()]
    room.dispatchEvent(new Event("presence"))
  }

  function replace({ users: list, count }: PresenceState): void {
    users = new Map(list.map((u) => [u.user, u]))
    show(count)
  }

  function fail(error: WirepostError): void {
    if (room.closed || error.code === "unavailable") return // the next connection is asked
    room.error = error
    room.dispatchEvent(new Event("error"))
  }

  function ask(): void {
    const connection = ++connections
    current = 0
    request({ type: "subscribe", channel, presence: true }, undefined, ({ presence }) => {
      if (connection !== connections || !presence) return
      current = connection
      replace(presence)
    }).catch(fail)
  }

  off.push(
    client.on("presence", ({ channel: name, users: list, count, joined = [], left = [] }) => {
      if (name !== channel || !current) return
      if (list) return replace({ users: list, count })
      for (const user of left) users.delete(user)
      for (const u of joined) users.set(u.user, u)
      show(count)
    }),
  )
  room.close = () => {
    room.closed = true
    for (const end of off.splice(0)) end()
  }
  if (room.closed) return room.close()
  client.subscribe(channel, () => {}).then(({ unsubscribe }) => {
    if (room.closed) return unsubscribe()
    off.push(unsubscribe, client.on("open", ask))
    ask()
  }, fail)
}
