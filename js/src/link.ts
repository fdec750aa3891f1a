import type { makeBackoff } from "./backoff.js"
import { broken, forbidden, invalid, mayReconnect, tooBig, unauthorized } from "./codes.js"
import { wording, type ErrorCode } from "./errors.js"
import type { Reply, Frame, Hello, Life, Result } from "./frames.js"
import { helloTimeout, longestTimer } from "./limits.js"
import type { Connection, Owner } from "./connection.js"
import { more } from "./more.js"
import { openSocket, type WebSocketClass } from "./socket.js"
import { fresh, type Token } from "./token.js"
import type { CloseInfo, Sink, Transport, TransportName } from "./transport.js"
import { onWake } from "./wake.js"
import type { Fallbacks } from "./wirepost-more.js"

/**
 * Keeps one connection at a time to the server, and makes the next one when it
 * breaks: which transport, how long to wait, with which token, whether it is still
 * alive. What it knows is in the variables, what happens to it are the functions.
 *
 * @param nodes the URLs of the WebSocket endpoint at each node of a cluster, or of the only one; reordered
 * @param backoff how long to wait between attempts
 */
export function openLink(nodes: URL[], token: Token | undefined, transports: readonly TransportName[], owner: Owner, backoff: ReturnType<typeof makeBackoff>, Socket?: WebSocketClass): Connection {
  let round = 0 // grows with each attempt: late results of an earlier one are ignored
  let choice = 0 // of the transports
  let tried = 0 // of the transports at each node, since the last pause; the first node of the list is in use
  let transport: Transport | undefined
  let fallbacks: Fallbacks | undefined // since no WebSocket came through
  let up = false
  let store = "" // whose sequences the positions are
  let since = 0 // the attempt began; 0 while it waits for one
  let notBefore = 0 // as the server requested
  let heartbeat = 0
  let heard = 0 // something; 0 while it is asked for a sign of life
  let timer: Timer // the one thing that is waited for
  let refresh: Timer
  let expires = 0 // the token, by the server's clock; 0: never, or not known
  let pause = 0 // before the next token is asked for
  const unwake = onWake(wake, () => up && lost({ code: broken }))

  /** Connects anew, maybe by another transport. */
  function connect(next = choice): void {
    choice = next
    drop()
    since = Date.now()
    void authorize()
  }

  /** Gets a token: to connect with, or for the connection there is. */
  async function authorize(): Promise<void> {
    const mine = round
    let code = unauthorized // if it fails now
    try {
      const bearer = await fresh(token)
      if (mine !== round) return
      code = broken
      if (up) transport?.send({ type: "auth", ref: "auth", token: bearer! })
      else await open(bearer)
    } catch (thrown) {
      if (mine !== round) return
      owner.failed(meaning[code] ?? "unavailable", wording(thrown))
      if (!up) lost({ code })
    }
  }

  async function open(bearer: string | undefined): Promise<void> {
    const mine = round
    const name = transports[choice]!
    timer = setTimeout(() => lost({ code: broken }), helloTimeout)
    if (name !== "websocket") fallbacks ??= new (await more()).Fallbacks(nodes, transports, connect, owner.cursor?.(), Socket)
    if (mine !== round) return
    const at = new URL(nodes[0]!)
    const channels = name === "websocket" ? [] : owner.channels()
    const after = positions(channels)
    if (after) at.searchParams.set("after", after)
    const sink: Sink = {
      heard: () => void (heard = Date.now()),
      frame: (frame, size, cursor) => (frame.type === "hello" ? greeted(frame, name, !!after) : take(frame, size, cursor)),
      ended: lost,
    }
    transport = name === "websocket" ? openSocket(at, bearer, sink, Socket) : fallbacks!.open(name, at, bearer, sink, channels)
  }

  /** Returns positions as a connect request has them. */
  function positions(channels: readonly string[]): string {
    const inbox = store.split(" ")[1]
    return (inbox ? [inbox, "all", ...channels] : [])
      .flatMap((channel) => {
        // The inbox goes without its name: it may be another user's by now.
        const seq = owner.position(channel)
        return seq === undefined ? [] : channel === inbox ? seq : `${channel}=${seq}`
      })
      .join()
  }

  function greeted(hello: Hello, name: TransportName, resumed: boolean): void {
    const its = `${hello.epoch} user:${hello.user}`
    if (its !== store && resumed) {
      store = ""
      return connect() // without positions: they mean nothing there
    }
    store = its
    up = true
    heard = Date.now()
    backoff._opened()
    heartbeat = Math.max(hello.heartbeat_ms || 25_000, name === "poll" ? 25_000 : 0)
    if (name === "websocket") fallbacks = undefined
    watch()
    refreshBefore(hello)
    owner.up(hello, name, ["all", `user:${hello.user}`])
  }

  function take(frame: Frame, size: number, cursor?: string): void {
    if (frame.type === "bye") notBefore = Date.now() + (frame.retry_after_ms ?? 0)
    else if ((frame as Reply).ref !== "auth") owner.frame(frame, size, cursor)
    else if (frame.type === "error") owner.failed("unauthorized", frame.message)
    else refreshBefore(frame as Result)
  }

  /** What follows the end of a connection, or of an attempt. */
  function lost({ code, reason = "" }: Partial<CloseInfo> & { readonly code: number }): void {
    const onwards = mayReconnect(code)
    if (code === forbidden && owner.channels().length) owner.failed("forbidden", reason)
    else if (!onwards && !(code === unauthorized && typeof token === "function")) {
      close()
      return owner.ended(meaning[code] ?? "disconnected", reason || `closed with ${code}`)
    }
    // Another node, or another transport, may come through where this one does not; at
    // once, but not round and round.
    const wasUp = up
    if (onwards) nodes.push(nodes.shift()!)
    tried = onwards && !up ? (tried + 1) % (nodes.length * transports.length) : 0
    if (!up && tried % nodes.length === 0) choice = onwards ? (choice + 1) % transports.length : 0
    drop()
    since = 0
    const retryIn = Math.max(tried ? 0 : backoff._next(), notBefore - Date.now())
    timer = setTimeout(connect, retryIn)
    if (wasUp) owner.down({ code, reason, retryIn })
  }

  /** Lets go of the connection and of all timers. */
  function drop(): void {
    round++
    up = false
    clearTimeout(timer)
    clearTimeout(refresh)
    transport?.close()
    transport = undefined
  }

  function close(): void {
    drop()
    unwake()
  }

  /** The network may be back, or the computer awake. */
  function wake(): void {
    if (up) probe()
    // An attempt under way may have begun while it could not succeed.
    else if (Date.now() > Math.max(notBefore, since + 1000)) connect()
  }

  /**
   * Notices a connection that is dead without having ended. Pages see no pings, so
   * after two heartbeats of silence the server is asked for something.
   */
  function watch(): void {
    const left = heard + 2 * heartbeat - Date.now()
    clearTimeout(timer)
    if (left > 0) timer = setTimeout(watch, left)
    else probe()
  }

  /** Asks for a sign of life: to leave a channel that cannot be is refused, and changes nothing. */
  function probe(): void {
    const socket = transports[choice] === "websocket"
    if (socket) transport?.send({ type: "unsubscribe", ref: "probe", channel: "?" })
    heard = 0
    clearTimeout(timer)
    timer = setTimeout(() => (heard ? watch() : lost({ code: 4408, reason: "silence" })), socket ? Math.min(helloTimeout, heartbeat) : heartbeat)
  }

  /**
   * Has a new token ready before the old one ends. How long that is from now the
   * server says: this computer's clock may be wrong. A new token that ends no later
   * than the old one is no help, so the next is asked for less and less often.
   */
  function refreshBefore({ expires: end = 0, expires_in_ms: left = end - Date.now() }: Life): void {
    clearTimeout(refresh)
    if (!end || typeof token !== "function") return
    pause = end > expires ? 1000 : 2 * pause
    expires = end
    const delay = Math.min(Math.max(left - Math.min(60_000, left / 5), pause), longestTimer)
    refresh = setTimeout(() => {
      refreshBefore({ expires, expires_in_ms: left - delay }) // once more, if this does not help
      void authorize()
    }, delay)
  }

  nodes.sort(() => Math.random() - 0.5)
  connect()
  return {
    send(command) {
      if (up) transport?.send(command)
    },
    wake,
    close,
  }
}

type Timer = ReturnType<typeof setTimeout> | undefined

/** The errors that final close codes stand for; the others are `disconnected`. */
const meaning: Record<number, ErrorCode> = { [invalid]: "bad_request", [unauthorized]: "unauthorized", [forbidden]: "forbidden", [tooBig]: "too_large" }
