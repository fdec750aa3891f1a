import { wording } from "../errors.js"
import type { Host, Persist, Persisted, Store } from "../persisted.js"
import { longest, open, result } from "./database.js"
import { Inbox } from "./inbox.js"
import { Outbox } from "./outbox.js"

/** Opens the database of a user; where that fails, the client ends. */
export async function openStore(host: Host): Promise<Store> {
  const persist: Persist = host.persist === true ? {} : host.persist
  const { version = 1, maxMessages = 1000, maxOutbox = 1000, name = "wirepost" } = persist
  for (const [option, value] of Object.entries({ version, maxMessages, maxOutbox })) {
    if (!(Number.isSafeInteger(value) && value > 0)) throw host.error("bad_request", `bad persist.${option}`)
  }
  const user = persist.user ?? host.url.searchParams.get("user") ?? subject(host.token)
  if (!user) throw host.error("bad_request", "persist.user is missing: whose messages are these?")
  if (!globalThis.indexedDB) throw host.error("unsupported", "persist: there is no IndexedDB")

  let closed = false
  const lost = () => {
    if (!closed) host.end("unavailable", "the database was closed: another tab needs a newer version of it, or it was removed")
  }
  const blocked = () => host.failed("unavailable", "another tab keeps the database, with an older version of the page: close it")
  const unusable = (thrown: unknown) => {
    throw host.error("unsupported", `persist: IndexedDB: ${wording(thrown)}`)
  }
  const db = await open({ name: `${name}:${user}`, version, upgrade: persist.upgrade, blocked, lost }).catch(unusable)
  const inbox = new Inbox(db, host, persist, maxMessages)
  const outbox = new Outbox(db, host, maxOutbox)
  const loaded = Promise.all([inbox.load().catch(unusable), outbox.open()])
  host.watch(() => outbox.adopt(), close) // it may be closed before
  await loaded

  function close(reason = host.error("closed", "closed")): void {
    closed = true
    inbox.close()
    outbox.close(reason)
    db.close()
  }

  const persisted: Persisted = {
    database: db,

    inbox(show, options = {}) {
      const stop = inbox.show(show, { channel: `user:${user}`, ...options })
      host.start()
      return stop
    },

    outbox: () => outbox.waiting(),

    async remove() {
      host.end()
      const request = indexedDB.deleteDatabase(db.name)
      const kept = new Promise<never>((_, reject) => {
        request.onblocked = () => setTimeout(() => reject(host.error("unavailable", "another tab keeps the database: close it")), longest)
      })
      await Promise.race([result(request), kept])
    },
  }

  if (persist.apply) host.start()
  return {
    user,
    persisted,

    get epoch() {
      return inbox.epoch
    },

    position: (channel) => inbox.position(channel),
    up: (hello) => inbox.up(hello),
    begin: (channel, seq) => inbox.begin([[channel, seq]]),
    rewind: (channel, head) => inbox.rewind(channel, head),
    commit: (...args) => inbox.commit(...args),
    publish: (...args) => outbox.publish(...args) as ReturnType<Store["publish"]>,
  }
}

/** The user of a token; undefined if it cannot be known. The server checks the token. */
function subject(token: unknown): string | undefined {
  try {
    const claims = atob(String(token).split(".")[1]!.replace(/-/g, "+").replace(/_/g, "/"))
    const { sub } = JSON.parse(new TextDecoder().decode(Uint8Array.from(claims, (c) => c.charCodeAt(0)))) as { sub?: unknown }
    return typeof sub === "string" ? sub : undefined
  } catch {
    return undefined
  }
}
