/** A promise that fails when another one has not settled within so many milliseconds. */
export async function within<T>(ms: number, promise: T | Promise<T>): Promise<T> {
  let timer
  try {
    return await Promise.race([promise, new Promise<never>((_, fail) => (timer = setTimeout(() => fail(new Error("timeout")), ms)))])
  } finally {
    clearTimeout(timer) // Node.js does not exit before it
  }
}
