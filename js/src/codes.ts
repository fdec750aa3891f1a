/** The code that a new token may help against. */
export const unauthorized = 4401

/** The code of a user who may not be there. */
export const forbidden = 4403

/** The code of something that the server cannot read. */
export const invalid = 1007

/** The code of a message that was too big. */
export const tooBig = 1009

/** The code of a connection that ended without a close frame. */
export const broken = 1006

/**
 * How a connection may end, and whether a client may then connect again by itself:
 * the table of the server's `internal/wire/codes.go`. A test keeps the two equal.
 *
 * 4401 asks for another token: a client that has a source of tokens gets one and
 * connects again.
 */
export const closeCodes: ReadonlyMap<number, boolean> = new Map([
  [1000, true], // closed normally
  [1001, true], // going away
  [1002, false], // protocol error
  [1003, false], // unsupported data
  [1005, true], // closed without a code
  [1006, true], // connection broke
  [1007, false], // invalid payload
  [1008, false], // policy violation
  [1009, false], // message too big
  [1011, true], // internal error
  [1012, true], // server restarts
  [1013, true], // try again later
  [4401, false], // token missing or expired
  [4403, false], // forbidden
  [4408, true], // heartbeat lost
  [4409, false], // disconnected by the application
  [4429, true], // too much
])

/** Says whether a client may connect again after a close code. */
export const mayReconnect = (code: number): boolean => closeCodes.get(code) ?? code < 4000
