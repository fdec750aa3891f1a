/** A value that JSON can carry. */
export type Json = string | number | boolean | null | readonly Json[] | { readonly [key: string]: Json | undefined }

/** The state of a channel, in `hello`. */
export interface ChannelState {
  /** The head of the channel. */
  readonly seq: number
  /** The first live message, 0 for none. */
  readonly oldest: number
  /** The starting point: what comes first is after it. */
  readonly after: number
  /** Where the connection began, for a tab that joined it later; the server does not send it. */
  readonly start?: number | undefined
  /** The user's read mark. */
  readonly read: number
  readonly unread: number
  /** Everything after the starting point is still there. */
  readonly resumed: boolean
}

/** How long a token lives. */
export interface Life {
  /** When it expires, in milliseconds since 1970. */
  readonly expires?: number
  /** How long that is from now. */
  readonly expires_in_ms?: number
}

/** The first frame of a connection. */
export interface Hello extends Life {
  readonly type: "hello"
  readonly connection: string
  readonly user: string
  readonly device: string
  /** Names the store: in another one, remembered sequences mean nothing. */
  readonly epoch: string
  readonly heartbeat_ms: number
  /** The key for Web Push, absent where that is off. */
  readonly vapid?: string
  readonly channels: Readonly<Record<string, ChannelState>>
}

/** A message. Times are milliseconds since 1970. `T` is what the application knows of its data. */
export interface Message<T = Json | undefined> {
  readonly type: "message"
  readonly channel: string
  /** Grows, and may have holes. */
  readonly seq: number
  /** The sequence appended before this one. */
  readonly prev: number
  readonly id: string
  readonly time: number
  /** The end of its time to live. */
  readonly expires?: number
  /** The collapse key. */
  readonly key?: string
  /** The user who published it; absent when a backend pushed. */
  readonly from?: string
  /** Absent for JSON. */
  readonly content_type?: string
  /** The JSON value, or the text of a `text/…` message. */
  readonly data: T
  /** The bytes of any other message. */
  readonly data_base64?: string
  /** Names the store, in which alone the sequence means something. The client adds it. */
  readonly epoch?: string
}

/** Messages are missing between `after` and `resumed_at`, both exclusive: retention removed them. */
export interface Gap {
  readonly type: "gap"
  readonly channel: string
  readonly after: number
  readonly resumed_at: number
}

/** The backend took the message `revoked` back. */
export interface Revoke {
  readonly type: "revoke"
  readonly channel: string
  readonly seq: number
  readonly revoked: number
  readonly id: string
}

/** Where the user's read mark is, on all devices. */
export interface State {
  readonly type: "state"
  readonly channel: string
  /** The sequence up to which `unread` counts. */
  readonly seq?: number
  readonly read: number
  readonly unread: number
}

/** A membership began or ended. */
export interface Membership {
  readonly type: "subscribed" | "unsubscribed"
  readonly channel: string
}

/** A user who is present in a channel. */
export interface PresentUser {
  readonly user: string
  /** What the user's identity says for others, such as a name. */
  readonly info?: Json
  /** When the user became present, in milliseconds since 1970. */
  readonly since: number
}

/** Who is present in a channel. */
export interface PresenceState {
  readonly count: number
  /** The first 1000 of them. */
  readonly users: readonly PresentUser[]
}

/** Who joined and left a channel, or the whole list. */
export interface PresenceChange {
  readonly type: "presence"
  readonly channel: string
  readonly count: number
  readonly joined?: readonly PresentUser[]
  readonly left?: readonly string[]
  readonly users?: readonly PresentUser[]
}

/** Announces the server's close frame. */
export interface Bye {
  readonly type: "bye"
  readonly code: number
  readonly reason: string
  readonly retry_after_ms?: number
}

/** What a request resulted in: a new token's life, among others. */
export interface Result extends Life {
  readonly id?: string
  readonly seq?: number
  readonly duplicate?: boolean
  /** What a call returned. */
  readonly data?: Json
  readonly presence?: PresenceState
  readonly messages?: readonly Message[]
  readonly next?: number
  readonly read?: number
}

/** The response to the command with the same `ref`. */
export type Reply =
  | ({ readonly type: "ok" | "reply"; readonly ref?: Ref } & Result)
  | { readonly type: "error"; readonly ref?: Ref; readonly code: string; readonly message: string }

export type Ref = string | number

/** What a channel's log is made of, in its order. */
export type Entry = Message | Gap | Revoke

/** What the server sends. */
export type Frame = Hello | Entry | State | Membership | PresenceChange | Bye | Reply

/** What the client sends. */
export type Command =
  | { readonly type: "ack"; readonly channel: string; readonly seq: number }
  | { readonly type: "state"; readonly channel: string }
  | ({ readonly ref?: Ref } & Request)

/** A command with a response. */
export type Request =
  | { readonly type: "read"; readonly channel: string; readonly seq: number }
  | { readonly type: "subscribe"; readonly channel: string; readonly after?: number | undefined; readonly presence?: boolean }
  | { readonly type: "history"; readonly channel: string; readonly before?: number | undefined; readonly after?: number | undefined; readonly limit?: number | undefined }
  | { readonly type: "unsubscribe"; readonly channel: string }
  | { readonly type: "publish"; readonly to: string; readonly id: string; readonly data?: Json; readonly data_base64?: string; readonly content_type?: string | undefined; readonly key?: string | undefined }
  | { readonly type: "call"; readonly method: string; readonly data: Json }
  | { readonly type: "webpush"; readonly subscription?: PushSubscriptionJSON; readonly endpoint?: string }
  | { readonly type: "auth"; readonly token: string }
