/** A promise that fails when another one has not settled within so many milliseconds. */
export function within<T>(ms: number, promise: T | Promise<T>): Promise<T> {
  return Promise.race([promise, new Promise<never>((_, fail) => setTimeout(() => fail(new Error("timeout")), ms))])
}
