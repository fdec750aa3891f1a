/**
 * What only pages with notifications need, loaded when they are enabled. Like
 * wirepost-more.js it may be newer than the page: what the two agree on changes only with
 * this file's name.
 */
export { openNotifications } from "./notifications.js"
