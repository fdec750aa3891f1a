// What a page cannot see: the pings of plain mode and their pongs. What they do
// can be seen from the other side, where the device's cursor moves; so that is
// asked for.
import * as api from "./api.js";
import { repeat } from "./pulse.js";

const every = 500;

// watch tells whenever an acknowledged cursor of the device moves.
export function watch(user, device, told, failed) {
  let before = null;
  const watching = repeat(every, async (over) => {
    const { channels } = await api.user(user);
    if (over()) return;
    const now = {};
    for (const [channel, place] of Object.entries(channels)) now[channel] = place.devices[device] ?? 0;
    for (const [channel, seq] of Object.entries(now)) {
      if (before && seq > (before[channel] ?? 0)) told(channel, seq);
    }
    before = now;
  }, failed);
  return watching.stop;
}

// subjectOf is whom a token is for, "" if that cannot be read. Only the server
// can say whether the token is good.
export function subjectOf(token) {
  try {
    const claims = token.split(".")[1].replaceAll("-", "+").replaceAll("_", "/");
    const bytes = Uint8Array.from(atob(claims), (c) => c.charCodeAt(0));
    const { sub, device = "" } = JSON.parse(new TextDecoder().decode(bytes));
    return { user: typeof sub === "string" ? sub : "", device: typeof device === "string" ? device : "" };
  } catch {
    return { user: "", device: "" };
  }
}
