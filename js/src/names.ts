import { WirepostError } from "./errors.js"

/**
 * Throws `bad_request` for what would not reach the server as one name: it takes 1
 * to 200 bytes, printable, without white space, "*", "?" and ",".
 */
export function checkName(what: string, name: unknown): asserts name is string {
  if (typeof name !== "string" || !/^[^\p{Z}\p{C}*?,]{1,200}$/u.test(name)) throw new WirepostError("bad_request", `bad ${what} name: ${name}`)
}
