type Listener<E> = (event: E) => unknown

/** Those who listen to named events. */
export type Emitter<Events> = ReturnType<typeof emitter<Events>>

/** Named events with their types. */
export function emitter<Events>() {
  const all: { [K in keyof Events]?: Set<Listener<Events[K]>> } = {}

  /** Those who listen to an event. */
  function listeners<K extends keyof Events>(name: K): Listener<Events[K]>[] {
    return [...(all[name] ?? [])]
  }

  return {
    _listeners: listeners,

    /** Calls a function for each event; what it returns ends that. */
    on<K extends keyof Events>(name: K, listener: Listener<Events[K]>): () => void {
      const mine = (all[name] ??= new Set())
      mine.add(listener)
      return () => void mine.delete(listener)
    },

    /** Tells everyone who listens; one that throws spoils nothing for the others. */
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
