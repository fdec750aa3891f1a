/**
 * Why something failed. The server's codes, and the client's own:
 * `unauthorized` (no token, or one that has ended), `disconnected` (by the
 * application, or for a broken rule), `closed` (the client was closed),
 * `aborted` (by the caller's signal); and for notifications `denied` (by the user or the
 * browser), `unsupported` (by the browser) and `disabled` (at the server).
 */
export type ErrorCode =
  | "bad_request"
  | "forbidden"
  | "not_found"
  | "too_large"
  | "rate_limited"
  | "unavailable"
  | "internal"
  | "unauthorized"
  | "disconnected"
  | "closed"
  | "aborted"
  | "denied"
  | "unsupported"
  | "disabled"

/** What every promise of the client is rejected with. `code` is for programs, `message` for people. */
export class WirepostError extends Error {
  override readonly name = "WirepostError"
  readonly code: ErrorCode

  constructor(code: ErrorCode, message: string) {
    super(message)
    this.code = code
  }
}

/** What was thrown, in words: its name, if its message is empty, as browsers may leave that of QuotaExceededError. */
export const wording = (thrown: unknown): string => String((thrown as Error | undefined)?.message || thrown)

/** The error of a client that was closed. */
export const closed = () => new WirepostError("closed", "closed")
