import { createContext, createElement, useContext, useEffect, useRef, useState, useSyncExternalStore, type ReactElement, type ReactNode } from "react"
import { connect, type Client, type Options } from "wirepost"
import { Holder } from "./holder.js"

/** The client of the nearest provider: undefined before it connects, null without a provider. */
const Context = createContext<Client | undefined | null>(null)

/** Where a provider connects to, or the client that it uses instead and does not close. */
export type WirepostProviderProps = { readonly children?: ReactNode } & (
  | {
      /** As for `connect`. With another one the connection is made anew; to have that for another user, change the provider's `key`. */
      readonly url: string | URL | readonly (string | URL)[]
      /** As for `connect`: those of the first rendering count, and the latest `token`. */
      readonly options?: Options
      readonly client?: undefined
    }
  | { readonly client: Client; readonly url?: undefined; readonly options?: undefined }
)

/** Holds one connection for the hooks in its children, while it is mounted. */
export function WirepostProvider({ url, options, client, children }: WirepostProviderProps): ReactElement {
  const [holder] = useState(() => new Holder())
  const latest = useRef(options)
  const key = url && String(url)
  useEffect(() => void (latest.current = options))
  useEffect(() => (key === undefined ? undefined : holder.hold(key, () => connect(url!, withLatest(latest)))), [holder, key])
  const held = useSyncExternalStore(holder.subscribe, holder.client, () => undefined)
  return createElement(Context.Provider, { value: client ?? held }, children)
}

/** Components make a function for the token in each rendering: the last one has the current state. */
function withLatest(latest: { readonly current: Options | undefined }): Options {
  const options = latest.current
  if (typeof options?.token !== "function") return { ...options }
  const token = async () => {
    const { token = "" } = latest.current ?? {}
    return typeof token === "function" ? token() : token
  }
  return { ...options, token }
}

/** Returns the client of the provider above. */
export function useClient(): Client | undefined {
  const client = useContext(Context)
  if (client === null) throw new Error("wirepost: there is no <WirepostProvider> above this component")
  return client
}
