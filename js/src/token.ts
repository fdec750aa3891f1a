import { tokenTimeout } from "./limits.js"
import { within } from "./within.js"

/** A client token, or what gives a fresh one; it is asked again whenever one is needed. */
export type Token = string | (() => string | Promise<string>)

/** Gets a token, or another such value, to use now. */
export const fresh = async <T extends string | URL | undefined>(value: T | (() => T | Promise<T>)) => (typeof value === "function" ? within(tokenTimeout, value()) : value)
