import { within } from "./within.js"

export type More = typeof import("./wirepost-more.js")

let failures = 0

/** Loads what only some pages need. */
export const more = (): Promise<More> => loaded(import("./wirepost-more.js"), "./wirepost-more.js")

/** Loads what only pages with notifications need. */
export const notify = (): Promise<typeof import("./wirepost-notify.js")> => loaded(import("./wirepost-notify.js"), "./wirepost-notify.js")

/** Loads what only pages need that keep messages in IndexedDB. */
export const persistence = (): Promise<typeof import("./wirepost-persist.js")> => loaded(import("./wirepost-persist.js"), "./wirepost-persist.js")

/**
 * Browsers may remember that an import failed, and fail it for the life of the page: so
 * it is tried once more at a URL that is new. An import may also never end.
 */
const loaded = <M>(first: Promise<M>, url: string): Promise<M> => within(10_000, first.catch(() => load(`${url}?${++failures}`) as Promise<M>))

const load = (url: string) => import(/* webpackIgnore: true */ /* @vite-ignore */ url)
