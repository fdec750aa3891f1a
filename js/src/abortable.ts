import { WirepostError, wording } from "./errors.js"

/** A promise that rejects with `aborted` when a signal is aborted before. Nothing of it stays at the signal. */
export function abortable<T>(promise: Promise<T>, signal: AbortSignal | undefined): Promise<T> {
  if (!signal) return promise
  let abort = () => {}
  const aborted = new Promise<never>((_, reject) => {
    abort = () => reject(new WirepostError("aborted", wording(signal.reason)))
    if (signal.aborted) abort()
    signal.addEventListener("abort", abort)
  })
  return Promise.race([aborted, promise]).finally(() => signal.removeEventListener("abort", abort))
}
