import { acknowledge } from "./acknowledge.js"
import { all, known, wanted } from "./channels.js"
import { count, take } from "./delivery.js"
import { closed, WirepostError, type ErrorCode } from "./errors.js"
import type { Result } from "./frames.js"
import type { Down, Owner } from "./connection.js"
import { messageOverhead } from "./limits.js"
import { loadPositions } from "./positions.js"
import { agreed, ask, changed, refused, type Subscribing } from "./subscriptions.js"
import { onWake } from "./wake.js"

/** What a client keeps from its start to its end, across connections. */
export type Session = Subscribing

/** Handles the events of a connection: hello, frames, failures and its end. */
export function openSession(session: Session): Owner & { _close(error?: WirepostError): void } {
  const flush = () => acknowledge(session)
  const unwake = onWake(flush, flush)

  let state = session._state // as it was reported

  function report(reason?: Down | WirepostError): void {
    const from = state
    state = session._state
    if (from !== state) session._emit("state", { from, to: state, reason })
  }

  function end(error?: WirepostError): void {
    session._state = "closed"
    flush() // stops the timer
    unwake()
    session._requests._refuse(error ?? closed())
    for (const c of all(session)) c._joined(error ?? closed())
    report(error)
    session._emit("close", error)
  }

  return {
    channels: () => wanted(session).map((c) => c.name),
    position: (name) => session._channels.get(name)?._received,

    up(hello, transport, resumed) {
      const { _hello: before, _transport: previous, _kept: kept } = session
      if (kept && hello.user !== kept.user) return this._close(new WirepostError("forbidden", `persist is for user ${kept.user}, this is ${hello.user}`))
      const epoch = (before ?? kept)?.epoch
      const other = epoch && (hello.epoch !== epoch || hello.user !== (before ?? hello).user)
      kept?.up(hello)
      session._hello = hello
      session._transport = transport
      session._state = "open"
      if (!before || other) loadPositions(session, hello)
      if (other) session._requests._read("", Infinity) // read marks of another store mean nothing here
      for (const c of all(session)) c._disconnected(!!other)
      if (transport === "websocket") session._requests._open((command) => session._connection?.send(command))
      else session._requests._refuse(new WirepostError("unavailable", `cannot send by ${transport}`))
      for (const name in hello.channels) agreed(session, name, hello.channels[name]!, resumed)
      for (const c of wanted(session)) if (!c._agreed) ask(session, c)
      flush()
      report()
      if (transport !== previous) session._emit("transport", transport)
      if (other) session._emit("reset", hello)
      session._emit("open", hello)
    },

    frame(frame, size) {
      session._size += size + messageOverhead
      switch (frame.type) {
        case "message":
        case "revoke":
        case "gap":
          return take(session, frame)
        case "state": {
          const c = known(session, frame.channel)
          session._requests._read(c.name, frame.read)
          return count(session, c, () => c._count(frame))
        }
        case "subscribed":
        case "unsubscribed":
          return changed(session, frame)
        case "presence":
          return session._emit("presence", frame)
        case "ok":
        case "reply":
        case "error": {
          const error = frame.type === "error" ? new WirepostError(frame.code as ErrorCode, frame.message) : undefined
          if (error && frame.ref === undefined) session._emit("error", error)
          else session._requests._settle(frame.ref!, frame as Result, error)
        }
      }
    },

    down(reason) {
      session._state = "connecting"
      for (const c of all(session)) c._disconnected()
      session._requests._lost()
      report(reason)
      session._emit("disconnect", reason)
    },

    failed(code, message) {
      const error = new WirepostError(code, message)
      session._emit("error", error)
      if (code === "forbidden") refused(session, error)
    },

    ended: (code, message) => end(new WirepostError(code, message)),

    _close(error) {
      if (session._state === "closed") return
      flush()
      session._connection?.close()
      end(error)
    },
  }
}
