type Listener<E> = (event: E) => unknown

/** Where a client writes what happens to it, such as `console`. */
export type Logger = Pick<Console, "debug" | "info" | "warn" | "error">

/** The listeners of named events. */
export type Emitter<Events> = ReturnType<typeof emitter<Events>>

/**
 * Named events with their types.
 *
 * @param log gets each event, at its level
 * @param levels of events other than `debug`
 */
export function emitter<Events>(log?: Logger, levels: { readonly [K in keyof Events]?: keyof Logger } = {}) {
  const all: { [K in keyof Events]?: Set<Listener<Events[K]>> } = {}

  /** Returns the listeners of an event. */
  function listeners<K extends keyof Events>(name: K): Listener<Events[K]>[] {
    return [...(all[name] ?? [])]
  }

  /** Calls a listener, and waits for it if it is asynchronous. What it throws is logged. */
  const call = <E>(listener: Listener<E>, event: E) => guarded(listener, event, log)

  return {
    _listeners: listeners,
    _call: call,

    /** Adds a listener; returns a function that removes it. */
    on<K extends keyof Events>(name: K, listener: Listener<Events[K]>): () => void {
      const mine = (all[name] ??= new Set())
      mine.add(listener)
      return () => void mine.delete(listener)
    },

    /** Calls the listeners of an event; one that throws does not affect the others. */
    _emit<K extends keyof Events>(name: K, event: Events[K]): void {
      const those = listeners(name)
      log?.[levels[name] ?? "debug"](`wirepost: ${name as string}`, event)
      for (const listener of those) void call(listener, event)
      if (name === "error" && !those.length && !log) console.error(event)
    },
  }
}

/** Calls a listener, and waits for it if it is asynchronous. What it throws is logged: by default to the console, as browsers do. */
export async function guarded<E>(listener: Listener<E>, event: E, log: Pick<Logger, "error"> = console): Promise<void> {
  try {
    await listener(event)
  } catch (thrown) {
    log.error("wirepost:", thrown)
  }
}
