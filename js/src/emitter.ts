type Listener<E> = (event: E) => unknown

/** Named events with their types. */
export class Emitter<Events> {
  #listeners: { [K in keyof Events]?: Set<Listener<Events[K]>> } = {}

  /** Calls a function for each event; what it returns ends that. */
  on<K extends keyof Events>(name: K, listener: Listener<Events[K]>): () => void {
    const all = (this.#listeners[name] ??= new Set())
    all.add(listener)
    return () => void all.delete(listener)
  }

  /** Those who listen to an event. */
  listeners<K extends keyof Events>(name: K): readonly Listener<Events[K]>[] {
    return [...(this.#listeners[name] ?? [])]
  }

  /** Tells everyone who listens; one that throws spoils nothing for the others. */
  emit<K extends keyof Events>(name: K, event: Events[K]): void {
    const all = this.listeners(name)
    for (const listener of all) void guarded(listener, event)
    if (name === "error" && !all.length) console.error("wirepost:", event)
  }
}

/** Calls a listener, and waits for it if it is asynchronous. What it throws is for the console. */
export async function guarded<E>(listener: Listener<E>, event: E): Promise<void> {
  try {
    await listener(event)
  } catch (thrown) {
    console.error("wirepost: a handler failed", thrown)
  }
}
