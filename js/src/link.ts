import { Backoff } from "./backoff.js"
import { broken, mayReconnect, unauthorized } from "./codes.js"
import { Cursor } from "./cursor.js"
import { asError, WirepostError } from "./errors.js"
import type { Command, Frame, Hello } from "./frames.js"
import type { Line, LineEvents } from "./line.js"
import { openPoll } from "./poll.js"
import { openSocket } from "./socket.js"
import { openStream } from "./sse.js"
import type { Ending, Opener, Transport, TransportName } from "./transport.js"
import { onWake } from "./wake.js"

/** A client token, or what gives a fresh one; it is asked again whenever one is needed. */
export type Token = string | (() => string | Promise<string>)

/** What a link asks its owner before it connects. */
export interface Wishes {
  /** Channels besides the inbox, `all` and the memberships. */
  channels(): readonly string[]
  /** The last sequence of a channel that this side has. */
  position(channel: string): number | undefined
}

export interface LinkOptions {
  /** Of the WebSocket endpoint, with http: or https:. */
  readonly url: URL
  readonly device: string
  readonly token: Token | undefined
  readonly transports: readonly TransportName[]
}

const openers: Record<TransportName, Opener> = { websocket: openSocket, sse: openStream, poll: openPoll }

/** A connection that was never greeted within this time has failed, in milliseconds. */
const patience = 10_000
/** A connection that lasted this long makes the next wait a short one again. */
const stable = 5000
/** Timers take no longer times, in milliseconds. */
const longestTimer = 2 ** 31 - 1

/**
 * One connection at a time to the server, and the next one when it breaks: which
 * transport, how long to wait, with which token, whether it is still alive.
 */
export class Link implements Line {
  readonly #options: LinkOptions
  readonly #wishes: Wishes
  readonly #events: LineEvents
  readonly #backoff = new Backoff()
  readonly #cursor = new Cursor()
  readonly #unwake: () => void

  #round = 0 // grows with each attempt: what an earlier one brings late is nothing
  #transport: Transport | undefined
  #choice = 0 // of the transports
  #up = false
  #store = "" // whose sequences the positions are
  #heartbeat = 25_000
  #heard = 0
  #alive = true // until it is asked for a sign of life
  #since = 0 // the attempt began, or the connection was there
  #notBefore = 0 // the server's wish
  #token: string | undefined
  #trial: Transport | undefined // a WebSocket, while a fallback is used
  #trials = 0

  #retry: Timer
  #watch: Timer
  #refresh: Timer
  #again: Timer

  constructor(options: LinkOptions, wishes: Wishes, events: LineEvents) {
    this.#options = options
    this.#wishes = wishes
    this.#events = events
    this.#unwake = onWake(() => this.#wake())
    void this.#connect()
  }

  send(command: Command): void {
    if (!this.#up) return
    const subscribing = command.type === "subscribe" || command.type === "unsubscribe"
    if (subscribing && this.#name !== "websocket") void this.#connect() // with another list of channels
    else this.#transport?.send(command)
  }

  close(): void {
    this.#round++
    this.#drop()
    this.#unwake()
  }

  get #name(): TransportName {
    return this.#options.transports[this.#choice] ?? "websocket"
  }

  async #connect(): Promise<void> {
    const round = ++this.#round
    this.#drop()
    this.#since = Date.now()
    try {
      const { token } = this.#options
      this.#token = await (typeof token === "function" ? Promise.resolve().then(token) : token)
    } catch (thrown) {
      if (round !== this.#round) return
      this.#events.failed(asError(thrown, "unauthorized"))
      return this.#retryAfter({ code: unauthorized, reason: "no token" })
    }
    if (round === this.#round) this.#open(round)
  }

  #open(round: number): void {
    const name = this.#name
    const [url, placed] = this.#address(name)
    const over = (ending: Ending) => round === this.#round && this.#lost(ending)
    this.#watch = setTimeout(() => over({ code: broken, reason: "no answer" }), patience)
    this.#transport = this.#start(name, url, {
      heard: () => {
        this.#heard = Date.now()
        this.#alive = true
      },
      frame: (frame) => {
        if (round !== this.#round) return
        if (frame.type === "hello") this.#greeted(frame, name, placed)
        else this.#frame(frame)
      },
      ended: over,
    })
  }

  /** Opens a transport; one that cannot even be tried ends like one that broke. */
  #start(name: TransportName, url: URL, sink: Parameters<Opener>[1]): Transport | undefined {
    try {
      return openers[name]({ url, token: this.#token, cursor: this.#cursor }, sink)
    } catch (thrown) {
      const error = asError(thrown, "bad_request")
      queueMicrotask(() => sink.ended({ code: broken, reason: error.message }))
      return undefined
    }
  }

  /** The URL, and which channels begin at a position in it. */
  #address(name: TransportName): [URL, string[]] {
    const url = new URL(this.#options.url)
    if (this.#options.device) url.searchParams.set("device", this.#options.device)
    const channels = name === "websocket" ? [] : this.#wishes.channels()
    if (channels.length) url.searchParams.set("channels", channels.join())
    const [, inbox = ""] = this.#store.split(" ")
    // With a cursor there are no positions; a poll takes nothing else.
    const free = name === "websocket" || (name === "sse" && !this.#cursor.value)
    const placed = inbox && free ? [inbox, "all", ...channels] : []
    const after = placed.flatMap((channel) => {
      const seq = this.#wishes.position(channel)
      // The inbox goes without its name: it may be another user's by now.
      return seq === undefined ? [] : [channel === inbox ? `${seq}` : `${channel}=${seq}`]
    })
    if (after.length) url.searchParams.set("after", after.join())
    return [url, after.length ? placed : []]
  }

  #greeted(hello: Hello, name: TransportName, placed: string[]): void {
    const store = `${hello.epoch} user:${hello.user}`
    if (store !== this.#store && placed.length) {
      this.#store = ""
      return void this.#connect() // without positions: they mean nothing there
    }
    this.#store = store
    clearTimeout(this.#watch)
    this.#up = true
    this.#since = this.#heard = Date.now()
    this.#heartbeat = Math.max(hello.heartbeat_ms || 25_000, name === "poll" ? 25_000 : 0)
    if (name === "websocket") this.#cursor.value = ""
    else this.#tryWebSocket()
    this.#watchOver()
    this.#refreshBefore(hello.expires)
    this.#events.up(hello, name, placed)
  }

  #frame(frame: Frame): void {
    if (frame.type === "bye") {
      if (frame.retry_after_ms) this.#notBefore = Date.now() + frame.retry_after_ms
    } else if ("ref" in frame && frame.ref === "auth") {
      if (frame.type === "ok") this.#refreshBefore(frame.expires)
      else if (frame.type === "error") this.#events.failed(new WirepostError("unauthorized", frame.message))
    } else if (!("ref" in frame && frame.ref === "probe")) {
      this.#events.frame(frame)
    }
  }

  /** What follows the end of a connection, or of an attempt. */
  #lost(ending: Ending): void {
    const { code, retryAfter, error } = ending
    if (retryAfter) this.#notBefore = Date.now() + retryAfter
    if (code === 4403 && this.#wishes.channels().length) this.#events.failed(error ?? new WirepostError("forbidden", ending.reason))
    else if (!mayReconnect(code) && !(code === unauthorized && typeof this.#options.token === "function")) {
      this.close()
      return this.#events.ended(error ?? new WirepostError(errorCode(code), `closed with ${code} ${ending.reason}`))
    }
    if (this.#up && Date.now() - this.#since > stable) this.#backoff.reset()
    // Another transport may come through where this one does not; at once, but
    // not round and round.
    const after = mayReconnect(code) ? (this.#choice + 1) % this.#options.transports.length : 0
    const next = this.#up ? this.#choice : after
    const onwards = next > this.#choice
    this.#choice = next
    this.#retryAfter(ending, onwards ? 0 : this.#backoff.next())
  }

  #retryAfter({ code, reason }: Ending, wait = this.#backoff.next()): void {
    this.#round++
    const wasUp = this.#up
    this.#drop()
    const retryIn = Math.max(wait, this.#notBefore - Date.now())
    this.#retry = setTimeout(() => void this.#connect(), retryIn)
    if (wasUp) this.#events.down({ code, reason, retryIn })
  }

  /** Lets go of the connection and of all timers. */
  #drop(): void {
    this.#up = false
    for (const timer of [this.#retry, this.#watch, this.#refresh, this.#again]) clearTimeout(timer)
    this.#retry = undefined
    this.#transport?.close()
    this.#trial?.close()
    this.#transport = this.#trial = undefined
  }

  /** The network may be back, or the computer awake. */
  #wake(): void {
    const now = Date.now()
    if (this.#up) this.#probe()
    // An attempt under way may have begun while nothing could come of it.
    else if (now >= this.#notBefore && (this.#retry || now - this.#since > 1000)) void this.#connect()
  }

  /**
   * Notices a connection that is dead without having ended. Pages see no pings, so
   * after two heartbeats of silence the server is asked for something.
   */
  #watchOver(): void {
    const silence = Date.now() - this.#heard
    const limit = 2 * this.#heartbeat
    clearTimeout(this.#watch)
    if (silence >= limit) this.#probe()
    else this.#watch = setTimeout(() => this.#watchOver(), limit - silence)
  }

  /** Asks for a sign of life: to leave a channel that cannot be is refused, and changes nothing. */
  #probe(): void {
    const limit = this.#name === "websocket" ? Math.min(patience, this.#heartbeat) : this.#heartbeat
    if (this.#name === "websocket") this.#transport?.send({ type: "unsubscribe", ref: "probe", channel: "?" })
    this.#alive = false
    clearTimeout(this.#watch)
    this.#watch = setTimeout(() => {
      if (!this.#alive) this.#lost({ code: 4408, reason: "heartbeat lost" })
      else this.#watchOver()
    }, limit)
  }

  /** Has a new token ready before the old one ends. */
  #refreshBefore(expires: number | undefined): void {
    const { token } = this.#options
    clearTimeout(this.#refresh)
    if (!expires || typeof token !== "function") return
    const left = expires - Date.now()
    const wait = Math.max(left - Math.min(60_000, left / 5), 1000)
    this.#refresh = setTimeout(() => void this.#authenticate(token, expires), Math.min(wait, longestTimer))
  }

  async #authenticate(token: () => string | Promise<string>, expires: number): Promise<void> {
    const round = this.#round
    this.#refreshBefore(expires) // once more, if this does not help
    try {
      this.#token = await token()
    } catch (thrown) {
      if (round === this.#round) this.#events.failed(asError(thrown, "unauthorized"))
      return
    }
    if (round === this.#round) this.#transport?.send({ type: "auth", ref: "auth", token: this.#token })
  }

  /** While a fallback is used: tries from time to time whether a WebSocket comes through, and changes over to it. */
  #tryWebSocket(): void {
    const socket = this.#options.transports.indexOf("websocket")
    if (socket < 0) return
    const round = this.#round
    this.#again = setTimeout(() => {
      const failed = () => {
        clearTimeout(this.#again)
        this.#trial?.close()
        this.#trial = undefined
        if (round === this.#round) this.#tryWebSocket()
      }
      this.#again = setTimeout(failed, patience)
      this.#trial = this.#start("websocket", this.#address("websocket")[0], {
        heard: () => {
          // It greets. That is enough to know: the connection proper is made anew.
          if (round !== this.#round) return
          this.#choice = socket
          void this.#connect()
        },
        frame: () => {},
        ended: failed,
      })
    }, Math.min(1000 * 2 ** this.#trials++, 300_000))
  }
}

type Timer = ReturnType<typeof setTimeout> | undefined

/** The error that a final close code stands for. */
function errorCode(code: number): "unauthorized" | "forbidden" | "too_large" | "disconnected" {
  return code === unauthorized ? "unauthorized" : code === 4403 ? "forbidden" : code === 1009 ? "too_large" : "disconnected"
}
