// Pages cannot see the pings of plain mode and their pongs. Their effect is visible on
// the server, where the device's cursor moves, so this polls the cursor.
import * as api from "./api.js";
import { repeat } from "./pulse.js";

const every = 500;

// watch reports when an acknowledged cursor of the device moves.
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

// subjectOf returns the user of a token, "" if it cannot be read. Only the server can
// verify the token.
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
