/**
 * What only pages need that keep messages in IndexedDB, loaded when they do. Like
 * wirepost-more.js it may be newer than the page: what the two agree on changes only with
 * this file's name.
 */
export { openStore } from "./persist/persist.js"
export type { InboxOptions, Persist, Persisted, Waiting } from "./persisted.js"
