// The client's limits, in a file without imports: only then does the build put the
// numbers where they are used.

/** How many collapse keys of a channel are remembered. */
export const maxKeys = 1000
/** How many requests may wait for the connection. */
export const maxRequests = 256
/** A connection without a `hello` within this time has failed, in milliseconds. */
export const helloTimeout = 10_000
/** A source of tokens has failed when it has returned none within this time, in milliseconds. */
export const tokenTimeout = 30_000
/** How long acknowledgements are collected, in milliseconds. */
export const acknowledgeDelay = 100
/** Acknowledgements are sent at once after so many characters of up to three bytes: a quarter of the server's default window. */
export const acknowledgeSize = 2 ** 18
/** What a message counts besides its characters: 128 of them, half a window, are enough. */
export const messageOverhead = 2 ** 11
/** Timers do not work for times much longer than this, in milliseconds. */
export const longestTimer = 2e9
