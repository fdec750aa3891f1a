import { WirepostError } from "./errors.js"
import type { Json } from "./frames.js"

/** The data fields of a publish: a JSON value, a text with its content type, or bytes. */
export function payload(data: Json | Uint8Array | ArrayBuffer, type?: string): { data: Json } | { data_base64: string } {
  if (data instanceof ArrayBuffer || ArrayBuffer.isView(data)) {
    const bytes = Array.from(new Uint8Array(data as ArrayBuffer), (b) => String.fromCharCode(b))
    return { data_base64: btoa(bytes.join("")) }
  }
  if (type && /^text\//i.test(type) && typeof data !== "string") throw new WirepostError("bad_request", `data of the type ${type} is a string`)
  return { data: json(data) }
}

/** Copies a value by way of JSON, or throws `bad_request`: what waits to be sent is not to change meanwhile. */
export function json(value: Json): Json {
  let text: string | undefined
  try {
    text = JSON.stringify(value) as string | undefined // undefined for a function and the like
  } catch (thrown) {
    throw new WirepostError("bad_request", `the data is no JSON: ${thrown instanceof Error ? thrown.message : ""}`)
  }
  if (text === undefined) throw new WirepostError("bad_request", `the data is no JSON, but ${typeof value}`)
  return JSON.parse(text) as Json
}
