/** A random name of 128 bits. Unlike crypto.randomUUID it is there on plain http pages too. */
export function randomId(): string {
  return Array.from(crypto.getRandomValues(new Uint8Array(16)), (b) => (b + 256).toString(16).slice(1)).join("")
}
