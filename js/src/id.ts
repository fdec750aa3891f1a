/**
 * A random name of 128 bits. Unlike crypto.randomUUID it is there on plain http pages too, and
 * in React Native, which has no crypto: names are unique, and no secrets.
 */
export function randomId(): string {
  const bytes = new Uint8Array(16)
  return Array.from(globalThis.crypto ? crypto.getRandomValues(bytes) : bytes.map(() => Math.random() * 256), (b) => (b + 256).toString(16).slice(1)).join("")
}
