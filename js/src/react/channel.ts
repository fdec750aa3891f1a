import { useCallback, useEffect, useRef, useState } from "react"
import { WirepostError, type Client, type Handler, type Json, type Published, type PublishOptions } from "wirepost"
import { useClient } from "./provider.js"

/** A channel that a component is subscribed to. */
export interface ChannelHandle {
  /** The server has agreed to the subscription. */
  readonly ready: boolean
  /** Why it has not. */
  readonly error: WirepostError | undefined
  /** Publishes to the channel, see Client.publish. */
  publish(data: Json | object, options?: PublishOptions): Promise<Published>
}

interface Outcome {
  readonly client: Client
  readonly channel: string
  readonly error?: WirepostError
}

/** Subscribes a component to a channel while it is mounted. The handler of the last rendering is called. */
export function useChannel<T = Json | undefined>(channel: string, handler: Handler<T>): ChannelHandle {
  const client = useClient()
  const [outcome, setOutcome] = useState<Outcome>()
  const latest = useRef(handler)
  useEffect(() => void (latest.current = handler))
  useEffect(() => {
    if (!client) return
    let active = true
    const settled = (error?: WirepostError) => active && setOutcome({ client, channel, ...(error && { error }) })
    const subscription = client.subscribe<T>(channel, (m) => (active ? latest.current(m) : undefined))
    subscription.then(() => settled(), settled)
    return () => {
      active = false
      subscription.then(({ unsubscribe }) => unsubscribe(), () => {})
    }
  }, [client, channel])
  const publish = useCallback<ChannelHandle["publish"]>(
    async (data, options) => {
      if (!client) throw new WirepostError("unavailable", "the provider has not connected yet")
      return client.publish(channel, data, options)
    },
    [client, channel],
  )
  const current = outcome?.client === client && outcome?.channel === channel ? outcome : undefined
  return { ready: !!current && !current.error, error: current?.error, publish }
}
