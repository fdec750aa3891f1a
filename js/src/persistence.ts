import { makeBackoff, type Backoff } from "./backoff.js"
import { known } from "./channels.js"
import { start } from "./delivery.js"
import { closed, WirepostError } from "./errors.js"
import { persistence } from "./more.js"
import type { Host, Store } from "./persisted.js"
import type { Owner } from "./connection.js"
import type { Session } from "./session.js"
import { ask } from "./subscriptions.js"
import { until } from "./until.js"

/**
 * Opens what is kept in IndexedDB, as soon as its script can be loaded. Where that is
 * impossible, the client ends: it does not go on without.
 */
export async function openPersistence(session: Session, owner: Owner & { _close(error?: WirepostError): void }, settings: Pick<Host, "persist" | "url" | "token">, backoff: Backoff | undefined): Promise<Store> {
  const pauses = () => makeBackoff(backoff)
  const host: Host = {
    ...settings,
    pauses: () => pauses()._next,
    isOpen: () => session._state === "open",
    request: session._requests._add,
    error: (code, message) => new WirepostError(code, message),
    failed: owner.failed,
    end: (code, message = "") => owner._close(code && new WirepostError(code, message)),
    start: () => start(session),

    watch(opened, ended) {
      session.on("open", opened)
      session.on("close", ended)
      if (session._state === "closed") ended(undefined)
    },

    back(channel, seq) {
      const c = known(session, channel)
      c._back(seq)
      if (session._state === "open") ask(session, c)
    },
  }
  const { openStore } = await until(session, persistence, pauses(), (message) => owner.failed("unavailable", message))
  try {
    // Another tab may keep the database for long.
    const end = new Promise<never>((_, reject) => session.on("close", (error) => reject(error ?? closed())))
    return (session._kept = await Promise.race([openStore(host), end]))
  } catch (thrown) {
    owner._close(thrown as WirepostError)
    throw thrown
  }
}
