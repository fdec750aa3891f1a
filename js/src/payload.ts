import { WirepostError, wording } from "./errors.js"
import type { Json } from "./frames.js"

/** The data fields of a publish: a JSON value, a text with its content type, or bytes. */
export function payload(data: Json | Uint8Array | ArrayBuffer, type = ""): { data: Json } | { data_base64: string } {
  if (data instanceof ArrayBuffer || ArrayBuffer.isView(data)) {
    const bytes = Array.from(new Uint8Array(data as ArrayBuffer), (b) => String.fromCharCode(b))
    return { data_base64: btoa(bytes.join("")) }
  }
  if (/^text\//i.test(type) && typeof data !== "string") throw new WirepostError("bad_request", `${type} is a string`)
  return { data: json(data) }
}

/** Copies a value by way of JSON, or throws `bad_request`: what waits to be sent is not to change meanwhile. */
export function json(value: Json): Json {
  try {
    return JSON.parse(JSON.stringify(value)) as Json // which throws for undefined, a function and the like
  } catch (thrown) {
    throw new WirepostError("bad_request", `this is no JSON: ${wording(thrown)}`)
  }
}
