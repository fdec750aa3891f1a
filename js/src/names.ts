import { WirepostError } from "./errors.js"

/**
 * Throws `bad_request` for what the server would refuse as the name of a channel or
 * device: 1 to 200 bytes, printable, without white space, "*", "?" and ",".
 */
export function checkName(what: string, name: unknown): asserts name is string {
  if (typeof name === "string" && /^[^\p{Z}\p{C}*?,]+$/u.test(name) && name !== "user:" && new Blob([name]).size <= 200) return
  throw new WirepostError("bad_request", `${JSON.stringify(name)} is no name of a ${what}`)
}
