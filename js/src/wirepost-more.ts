/**
 * What only some pages need, loaded when they do: the fallbacks, one connection for
 * all tabs, presence, `follow` and the application's own storage. It brings no WirepostError and no state of its own, so that it does
 * not matter from where it was loaded, or how often. A page that has been open for
 * long may load a newer one than itself: what the two agree on changes only with
 * this file's name.
 */
export { Fallbacks } from "./fallbacks.js"
export { follow } from "./follow.js"
export type { Following, FollowOptions } from "./follow.js"
export { iterate } from "./iterate.js"
export { present } from "./present.js"
export { ready } from "./ready.js"
export { share } from "./shared.js"
export { openStorage } from "./appstorage.js"
