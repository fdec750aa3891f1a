import { within } from "./within.js"

/** A client token, or what gives a fresh one; it is asked again whenever one is needed. */
export type Token = string | (() => string | Promise<string>)

/** A source of tokens has failed when it has given none within this time, in milliseconds. */
const patience = 30_000

/** Gets a token to use now. */
export const fresh = async (token: Token | undefined) => (typeof token === "function" ? within(patience, token()) : token)
