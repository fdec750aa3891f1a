/**
 * Why something failed. The server's codes, and three of the client's own:
 * `unauthorized` (no token, or one that has ended), `disconnected` (by the
 * application, or for a broken rule) and `closed` (the client was closed).
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

/** What every promise of the client is rejected with. `code` is for programs, `message` for people. */
export class WirepostError extends Error {
  override readonly name = "WirepostError"
  readonly code: ErrorCode

  constructor(code: ErrorCode, message: string) {
    super(message)
    this.code = code
  }
}

/** Makes a WirepostError of whatever was thrown. */
export function asError(thrown: unknown, code: ErrorCode): WirepostError {
  if (thrown instanceof WirepostError) return thrown
  return new WirepostError(code, thrown instanceof Error ? thrown.message : String(thrown))
}
