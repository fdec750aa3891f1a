/** One row of the table of close codes. */
export interface CloseCode {
  readonly code: number
  readonly meaning: string
  /** May a client connect again by itself? */
  readonly reconnect: boolean
}

/**
 * How a connection may end, as in the server's `internal/wire/codes.go`; a test
 * keeps the two equal. 4401 asks for another token: a client that has a source of
 * tokens gets one and connects again.
 */
export const closeCodes: readonly CloseCode[] = [
  { code: 1000, meaning: "closed on purpose", reconnect: false },
  { code: 1001, meaning: "going away", reconnect: true },
  { code: 1002, meaning: "protocol error", reconnect: false },
  { code: 1003, meaning: "unsupported data", reconnect: false },
  { code: 1005, meaning: "closed without a code", reconnect: true },
  { code: 1006, meaning: "connection broke", reconnect: true },
  { code: 1007, meaning: "invalid payload", reconnect: false },
  { code: 1008, meaning: "policy violation", reconnect: false },
  { code: 1009, meaning: "message too big", reconnect: false },
  { code: 1011, meaning: "internal error", reconnect: true },
  { code: 1012, meaning: "server restarts", reconnect: true },
  { code: 1013, meaning: "try again later", reconnect: true },
  { code: 4401, meaning: "token missing or expired", reconnect: false },
  { code: 4403, meaning: "forbidden", reconnect: false },
  { code: 4408, meaning: "heartbeat lost", reconnect: true },
  { code: 4409, meaning: "disconnected by the application", reconnect: false },
  { code: 4429, meaning: "too much", reconnect: true },
]

/** The code that a new token may help against. */
export const unauthorized = 4401

/** The code of a connection that ended without a close frame. */
export const broken = 1006

const row = (code: number) => closeCodes.find((c) => c.code === code)

/** Says whether a client may connect again after a close code. */
export const mayReconnect = (code: number): boolean => row(code)?.reconnect ?? code < 4000

/** Says in words what a close code means. */
export const meaning = (code: number): string => row(code)?.meaning ?? `code ${code}`
