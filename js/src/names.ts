import { WirepostError } from "./errors.js"

/** Throws `bad_request` for what the server would refuse as the name of a channel or device. */
export function checkName(what: string, name: unknown): asserts name is string {
  const printable = typeof name === "string" && /^[\p{L}\p{M}\p{N}\p{P}\p{S}]+$/u.test(name) && !/[*?,]|^user:$/.test(name)
  if (printable && new TextEncoder().encode(name).length <= 200) return
  throw new WirepostError("bad_request", `no ${what} is called ${JSON.stringify(name)}: 1 to 200 bytes, printable, no white space, "*", "?", ","`)
}
