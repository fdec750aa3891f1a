import { WirepostError, type ErrorCode } from "./errors.js"
import type { Answer, Command, Request, State } from "./frames.js"

type Ok = Extract<Answer, { type: "ok" }>
type Reply = Extract<Answer, { type: "reply" }>

interface Pending {
  readonly ref: number
  readonly request: Request
  readonly resolve: (answer: Ok | Reply) => void
  readonly reject: (error: WirepostError) => void
  sent: boolean
}

/** How many requests may wait for the connection. */
const most = 256

/**
 * Requests and their answers. What does no harm when it comes twice (a publish has
 * an id, a read mark only grows) survives a broken connection; a call does not.
 */
export class Requests {
  #pending: Pending[] = []
  #ref = 0
  #send: ((command: Command) => void) | undefined

  /** Sends a request, now or when the line is up. Throws nothing: it rejects. */
  add(request: Request): Promise<Ok | Reply> {
    return new Promise((resolve, reject) => {
      if (!this.#send && request.type !== "subscribe" && this.#pending.length >= most) {
        return reject(new WirepostError("unavailable", `${most} requests wait for the connection already`))
      }
      const pending = { ref: ++this.#ref, request, resolve, reject, sent: false }
      this.#pending.push(pending)
      this.#transmit(pending)
    })
  }

  /** The line is up: sends what waits. */
  open(send: (command: Command) => void): void {
    this.#send = send
    for (const pending of this.#pending) this.#transmit(pending)
  }

  /** The line is down. */
  lost(): void {
    this.#send = undefined
    this.#pending = this.#pending.filter((pending) => {
      const keep = !pending.sent || ["publish", "read"].includes(pending.request.type)
      if (!keep) pending.reject(new WirepostError("unavailable", "the connection broke before the answer came"))
      pending.sent = false
      return keep
    })
  }

  /** Rejects everything that waits. */
  fail(error: WirepostError): void {
    for (const { reject } of this.#pending.splice(0)) reject(error)
  }

  /** Takes in an answer; an error that answers nothing is returned. */
  answer(frame: Answer): WirepostError | undefined {
    const index = this.#pending.findIndex((pending) => pending.ref === frame.ref)
    const [pending] = index < 0 ? [] : this.#pending.splice(index, 1)
    if (frame.type !== "error") return void pending?.resolve(frame)
    const error = new WirepostError(frame.code as ErrorCode, frame.message)
    if (!pending) return error
    pending.reject(error)
    return undefined
  }

  /** Reading has no answer but the state of the channel. */
  read({ channel, read }: Pick<State, "channel" | "read">): void {
    this.#pending = this.#pending.filter(({ request, resolve }) => {
      const done = request.type === "read" && request.channel === channel && request.seq <= read
      if (done) resolve({ type: "ok" })
      return !done
    })
  }

  #transmit(pending: Pending): void {
    if (!this.#send) return
    pending.sent = true
    this.#send({ ...pending.request, ref: pending.ref })
  }
}
