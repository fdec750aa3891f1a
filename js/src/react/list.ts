import type { Client, Message, WirepostError } from "wirepost"
import { follow, type Following } from "../follow.js"

/** The messages of a channel, and what can be done with them. */
export interface Messages<T> {
  /** Oldest first. */
  readonly messages: readonly Message<T>[]
  /** The earlier messages have been loaded. */
  readonly ready: boolean
  /** There may be older ones than the first. */
  readonly hasOlder: boolean
  /** Why the server refuses the channel. */
  readonly error: WirepostError | undefined
  /** Loads older ones. */
  older(): Promise<void>
  /** The user has read what is shown. */
  read(): Promise<void>
}

const done = () => Promise.resolve()

/** What there is before a client. */
export const nothing: Messages<never> = { messages: [], ready: false, hasOlder: false, error: undefined, older: done, read: done }

/** Follows a channel while it has a subscriber. */
export class MessageList<T> {
  #now: Messages<T> = nothing
  #following: Following | undefined
  #changed = () => {}
  #loading: Promise<void> | undefined // of older messages
  #start = 0 // grows with each time that the list begins anew
  readonly #client: Client
  readonly #channel: string | undefined
  readonly #page: number
  readonly #max: number

  constructor(client: Client, channel: string | undefined, page: number, max: number) {
    this.#client = client
    this.#channel = channel
    this.#page = page
    this.#max = max
  }

  readonly messages = (): Messages<T> => this.#now

  readonly subscribe = (changed: () => void): (() => void) => {
    this.#changed = changed
    this.#begin()
    const following = follow<T>(this.#client, {
      ...(this.#channel !== undefined && { channel: this.#channel }),
      history: () => this.#load(),
      message: (m) => this.#add(m),
      reset: () => this.#begin(),
      error: (error) => this.#set({ error }),
    })
    this.#following = following
    const offRevoke = this.#client.on("revoke", ({ channel, revoked }) => {
      if (channel === this.#name()) this.#set({ messages: this.#now.messages.filter((m) => m.seq !== revoked) })
    })
    return () => {
      this.#changed = () => {}
      offRevoke()
      following.stop()
    }
  }

  #name(): string {
    return this.#channel ?? `user:${this.#client.user}`
  }

  #begin(): void {
    this.#start++
    this.#loading = undefined
    this.#set({ ...nothing, older: () => (this.#loading ??= this.#older()), read: async () => this.#following?.read() })
  }

  #set(change: Partial<Messages<T>>): void {
    this.#now = { ...this.#now, ...change }
    this.#changed()
  }

  /** Shows the earlier messages at once. They then come once more, one by one. */
  async #load(): Promise<readonly Message<T>[]> {
    const start = this.#start
    const messages = this.#page > 0 ? await this.#before() : []
    if (start === this.#start) this.#set({ messages, ready: true, hasOlder: messages.length === this.#page && this.#page > 0 })
    return messages
  }

  /** Reads a page, oldest first. */
  async #before(before?: number): Promise<readonly Message<T>[]> {
    const { messages } = await this.#client.history<T>(this.#name(), { limit: this.#page, ...(before !== undefined && { before }) })
    return [...messages].reverse()
  }

  async #older(): Promise<void> {
    const start = this.#start
    const first = this.#now.messages[0]
    try {
      if (!first || !this.#now.hasOlder) return
      const older = await this.#before(first.seq)
      if (start === this.#start) this.#set({ messages: [...older, ...this.#now.messages], hasOlder: older.length === this.#page })
    } finally {
      if (start === this.#start) this.#loading = undefined
    }
  }

  #add(message: Message<T>): void {
    const { messages } = this.#now
    if (message.seq <= (messages[messages.length - 1]?.seq ?? 0)) return
    const others = message.key === undefined ? messages : messages.filter((m) => m.key !== message.key)
    const all = [...others, message]
    this.#set(all.length > this.#max ? { messages: all.slice(-this.#max), hasOlder: true } : { messages: all })
  }
}
