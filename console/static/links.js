// Links to users and channels.
import { h } from "./dom.js";

export const userLink = (name) => h("a", { class: "name", href: `#/users/${encodeURIComponent(name)}` }, name);

// channelLink links an inbox to its user.
export function channelLink(name) {
  const href = name.startsWith("user:") ? `#/users/${encodeURIComponent(name.slice(5))}` : `#/channels/${encodeURIComponent(name)}`;
  return h("a", { class: "name", href }, name);
}
