import { WirepostError, wording } from "./errors.js"
import type { Json } from "./frames.js"

/** The data fields of a publish: a JSON value, a text with its content type, or bytes. */
export function payload(data: Json | object): { data: Json } | { data_base64: string } {
  if (data instanceof ArrayBuffer || ArrayBuffer.isView(data)) {
    return { data_base64: btoa(new Uint8Array(data as ArrayBuffer).reduce((text, b) => text + String.fromCharCode(b), "")) }
  }
  return { data: json(data) }
}

/** Copies a value by way of JSON, or throws `bad_request`: what waits to be sent is not to change meanwhile. */
export function json(value: Json | object): Json {
  try {
    return JSON.parse(JSON.stringify(value)) as Json // which throws for undefined, a function and the like
  } catch (thrown) {
    throw new WirepostError("bad_request", `not JSON: ${wording(thrown)}`)
  }
}
