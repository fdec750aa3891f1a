import { WirepostError } from "./errors.js"

/** Throws `bad_request` for what the server would refuse as the name of a channel or device. */
export function checkName(what: string, name: unknown): asserts name is string {
  if (typeof name !== "string" || !/^[\p{L}\p{M}\p{N}\p{P}\p{S}]+$/u.test(name) || /[*?,]/.test(name) || name === "user:" || new TextEncoder().encode(name).length > 200)
    throw new WirepostError("bad_request", `no ${what} can have the name ${JSON.stringify(name)}: 1 to 200 bytes of printable text without white space, "*", "?" and ","`)
}
