type Listener<E> = (event: E) => unknown

/** The listeners of named events. */
export type Emitter<Events> = ReturnType<typeof emitter<Events>>

/** Named events with their types. */
export function emitter<Events>() {
  const all: { [K in keyof Events]?: Set<Listener<Events[K]>> } = {}

  /** Returns the listeners of an event. */
  function listeners<K extends keyof Events>(name: K): Listener<Events[K]>[] {
    return [...(all[name] ?? [])]
  }

  return {
    _listeners: listeners,

    /** Adds a listener; returns a function that removes it. */
    on<K extends keyof Events>(name: K, listener: Listener<Events[K]>): () => void {
      const mine = (all[name] ??= new Set())
      mine.add(listener)
      return () => void mine.delete(listener)
    },

    /** Calls the listeners of an event; one that throws does not affect the others. */
    _emit<K extends keyof Events>(name: K, event: Events[K]): void {
      const those = listeners(name)
      for (const listener of those) void guarded(listener, event)
      if (name === "error" && !those.length) console.error(event)
    },
  }
}

/** Calls a listener, and waits for it if it is asynchronous. What it throws is for the console. */
export async function guarded<E>(listener: Listener<E>, event: E): Promise<void> {
  try {
    await listener(event)
  } catch (thrown) {
    console.error("wirepost:", thrown)
  }
}
