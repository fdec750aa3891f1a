import { Channel } from "./channel.js"

/** A client's channels, by name. */
export interface Channels {
  readonly _channels: Map<string, Channel>
}

/** Returns all channels: a copy, which may be iterated while channels are added. */
export const all = (client: Channels) => [...client._channels.values()]

/** Returns the channels that the application asked for. */
export const wanted = (client: Channels) => all(client).filter((c) => c._wanted)

/** Returns a channel, which is known from now on. */
export function known(client: Channels, name: string): Channel {
  let c = client._channels.get(name)
  if (!c) client._channels.set(name, (c = new Channel(name)))
  return c
}
