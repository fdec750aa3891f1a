import { within } from "./within.js"

export type More = typeof import("./wirepost-more.js")

let failures = 0

/**
 * Loads what only some pages need. Browsers may remember that an import failed, and
 * fail it for the life of the page: so it is tried once more at a URL that is new.
 * An import may also never end.
 */
export const more = (): Promise<More> => within(10_000, import("./wirepost-more.js").catch(() => load(`./wirepost-more.js?${++failures}`)))

const load = (url: string) => import(/* webpackIgnore: true */ /* @vite-ignore */ url) as Promise<More>
