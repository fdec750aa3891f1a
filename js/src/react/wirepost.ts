import { useCallback, useSyncExternalStore } from "react"
import type { Client, Events } from "wirepost"
import { useClient } from "./provider.js"

/** The connection of the provider, as it is now. */
export interface Wirepost {
  /** Undefined before the first effect of the provider, and on a server that renders the page. */
  readonly client: Client | undefined
  readonly state: Client["state"]
  readonly transport: Client["transport"]
  /** The user ID, from the server. */
  readonly user: string | undefined
}

/** Returns the connection of the provider, and renders again when its state changes. */
export function useWirepost(): Wirepost {
  const client = useClient()
  return {
    client,
    state: useValue(client, stateEvents, (c) => c.state) ?? "connecting",
    transport: useValue(client, stateEvents, (c) => c.transport),
    user: useValue(client, stateEvents, (c) => c.user),
  }
}

const stateEvents = ["open", "disconnect", "transport", "close"] as const

/** Reads something that a client has, now and with each of these events. */
export function useValue<V>(client: Client | undefined, events: readonly (keyof Events)[], read: (client: Client) => V): V | undefined {
  const subscribe = useCallback(
    (changed: () => void) => {
      const off = events.map((name) => client?.on(name, changed))
      return () => off.forEach((end) => end?.())
    },
    [client, events],
  )
  return useSyncExternalStore(subscribe, () => client && read(client), () => undefined)
}
