import { abortable } from "./abortable.js"
import { WirepostError } from "./errors.js"
import type { Command, Ref, Request, Result } from "./frames.js"
import { maxRequests } from "./limits.js"

interface Pending {
  readonly _request: Request
  readonly _done: ((result: Result) => void) | undefined
  readonly _resolve: (result: Result) => void
  readonly _reject: (error: WirepostError) => void
}

export type Requests = ReturnType<typeof openRequests>

/**
 * Requests and their responses. A request that may safely be sent twice (a publish has
 * an id, a read mark only grows) survives a broken connection; a call does not.
 */
export function openRequests() {
  const pending = new Map<Ref, Pending>()
  let last = 0
  let send: ((command: Command) => void) | undefined // while there is a connection
  let refusal: WirepostError | undefined // while nothing can be sent

  function take(ref: Ref): Pending | undefined {
    const taken = pending.get(ref)
    pending.delete(ref)
    return taken
  }

  function reject(error: WirepostError, except = ""): void {
    for (const [ref, { _request: request }] of pending) {
      if (!except.includes(request.type)) take(ref)?._reject(error)
    }
  }

  return {
    /**
     * Sends a request, now or when there is a connection. It never throws: errors reject the promise.
     *
     * @param done gets the result before the next frame is taken in. The promise settles later: `ws` and
     * Node.js, unlike browsers, may deliver several frames without letting promises run in between.
     */
    _add(request: Request, signal?: AbortSignal, done?: (result: Result) => void): Promise<Result> {
      const ref = ++last
      const response = new Promise<Result>((resolve, reject) => {
        if (refusal) throw refusal
        if (!send && pending.size >= maxRequests) throw new WirepostError("unavailable", "too many requests")
        if (signal?.aborted) return
        pending.set(ref, { _request: request, _done: done, _resolve: resolve, _reject: reject })
        send?.({ ...request, ref })
      })
      return abortable(response, signal).finally(() => take(ref))
    },

    /** There is a connection: sends the pending requests. */
    _open(by: (command: Command) => void): void {
      refusal = undefined
      send = by
      for (const [ref, { _request: request }] of pending) by({ ...request, ref })
    },

    /** The connection is lost. All pending requests were sent: those that can be sent again stay pending. */
    _lost(): void {
      refusal = send = undefined
      reject(new WirepostError("unavailable", "disconnected"), "publish, read, history, webpush")
    },

    /** Rejects the pending requests, and all later ones. */
    _refuse(error: WirepostError): void {
      refusal = error
      reject(error)
    },

    /** Settles the request of a response: a result, unless it is an error. A response to no pending request is ignored. */
    _settle(ref: Ref, result: Result, error?: WirepostError): void {
      const asked = take(ref)
      if (error) return asked?._reject(error)
      asked?._done?.(result)
      asked?._resolve(result)
    },

    /** The response to a read is the state of the channel; "" stands for all channels. */
    _read(channel: string, read: number): void {
      for (const [ref, { _request: request }] of pending) {
        if (request.type === "read" && (channel || request.channel) === request.channel && request.seq <= read) take(ref)?._resolve({})
      }
    },
  }
}
