/**
 * What only some pages need, loaded when they do: the fallbacks, and one connection
 * for all tabs. It brings no WirepostError and no state of its own, so that it does
 * not matter from where it was loaded, or how often.
 */
export { Fallbacks } from "./fallbacks.js"
export { share } from "./shared.js"
