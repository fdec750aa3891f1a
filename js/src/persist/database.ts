/** The object stores of the client; all others are the application's. */
export const cursors = "wirepost.cursors"
export const messages = "wirepost.messages"
export const outbox = "wirepost.outbox"

/** Of these object stores. */
const schema = 1

/** The key of the epoch among the cursors: no channel has this name. */
export const epochKey = ""

/** A position in a channel, or with the key "" the server's store. */
export interface Cursor {
  readonly channel: string
  readonly seq: number
  readonly epoch?: string
}

/** How to open a database. */
export interface Opening {
  readonly name: string
  /** Of the application. */
  readonly version: number
  readonly upgrade: ((db: IDBDatabase, oldVersion: number, tx: IDBTransaction) => unknown) | undefined
  /** Another tab keeps it from being opened, as an older one that is frozen. */
  blocked(): void
  /** It was closed: another tab needs a newer version of it or removes it, or the user did. */
  lost(): void
}

/** Opens the database of a user. */
export async function open({ name, version, upgrade, blocked, lost }: Opening): Promise<IDBDatabase> {
  const request = indexedDB.open(name, version * 100 + schema)
  request.onupgradeneeded = ({ oldVersion }) => {
    const db = request.result
    if (!oldVersion) {
      db.createObjectStore(cursors, { keyPath: "channel" })
      db.createObjectStore(messages, { keyPath: ["channel", "seq"] }).createIndex("key", ["channel", "key"])
      db.createObjectStore(outbox, { keyPath: "key", autoIncrement: true })
    }
    upgrade?.(db, Math.floor(oldVersion / 100), request.transaction!)
  }
  request.onblocked = blocked
  const db = await result(request)
  db.onversionchange = () => {
    db.close()
    lost()
  }
  db.onclose = lost
  return db
}

/** The result of a request. */
export function result<T>(request: IDBRequest<T>): Promise<T> {
  return new Promise((resolve, reject) => {
    request.onsuccess = () => resolve(request.result)
    request.onerror = () => reject(request.error)
  })
}

/** Resolves when a transaction is complete. */
function completed(tx: IDBTransaction): Promise<void> {
  return new Promise((resolve, reject) => {
    tx.oncomplete = () => resolve()
    tx.onabort = () => reject(tx.error ?? new Error("the transaction was aborted"))
  })
}

/** How long the work of a transaction may take, in milliseconds. */
export const longest = 5000

/**
 * Does some work in a transaction, all of it or nothing: it resolves when the transaction is
 * complete. A transaction would complete when nothing of it is waited for, even if the work
 * is not done. So there is always a request, until it is.
 *
 * @param durability strict: not before it is on the disk
 */
export async function transact<T>(db: IDBDatabase, stores: Iterable<string>, work: (tx: IDBTransaction) => Promise<T>, durability: IDBTransactionDurability = "default"): Promise<T> {
  const names = [...stores]
  const tx = db.transaction(names, "readwrite", { durability })
  const complete = completed(tx)
  complete.catch(() => {}) // the work may fail first
  const deadline = Date.now() + longest
  let over = false
  const late = new Promise<never>((_, reject) => {
    const any = tx.objectStore(names[0]!)
    const wait = () => {
      if (over) return
      if (Date.now() > deadline) return reject(new Error("it took too long: a transaction can wait for its own requests only"))
      any.count(epochKey).onsuccess = wait
    }
    wait()
  })
  try {
    const value = await Promise.race([work(tx), late, complete as Promise<never>])
    over = true
    await complete
    return value
  } catch (thrown) {
    over = true
    try {
      tx.abort()
    } catch {
      // It was aborted before, which is why this failed.
    }
    throw tx.error ?? thrown
  }
}
