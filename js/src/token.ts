import { tokenTimeout } from "./limits.js"
import { within } from "./within.js"

/** A client token, or what gives a fresh one; it is asked again whenever one is needed. */
export type Token = string | (() => string | Promise<string>)

/** Gets a token to use now. */
export const fresh = async (token: Token | undefined) => (typeof token === "function" ? within(tokenTimeout, token()) : token)
