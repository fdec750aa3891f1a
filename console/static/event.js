// Reading events, and telling them in words.
import * as api from "./api.js";
import { duration } from "./format.js";
import { meaning, said, t } from "./words.js";

// reader reads the log of events from a number of sequences before its end, as far as it has
// grown since.
export function reader(back) {
  let after = null;
  let reading = false;
  return {
    // read returns the events up to seq that were not read yet, newest first.
    async read(seq) {
      const found = [];
      if (reading || (after !== null && seq <= after)) return found;
      reading = true;
      try {
        after ??= Math.max(0, seq - back);
        for (let full = true; full;) {
          const { events, next } = await api.events(after);
          full = events.length === api.eventsPage && found.length < back;
          after = next;
          found.push(...events);
        }
      } catch {
        // The next beat tries again, and the pulse shows what is wrong.
      } finally {
        reading = false;
      }
      return found.reverse();
    },
  };
}

// about says in a few words what an event concerns.
export function about({ user, data }) {
  const words = [user, data.channel, data.device, data.seq && t("about.upto", { seq: data.seq }), data.step && t("about.step", { step: data.step })];
  if (data.code) {
    const what = meaning(data.code);
    const why = said(data.reason ?? "");
    words.push(`${data.code} ${what}`.trim() + (why && why !== what ? `: ${why}` : ""));
  }
  if (data.member !== undefined) words.push(t(data.member ? "about.joined" : "about.left"));
  if (data.duration_ms !== undefined) words.push(duration(data.duration_ms));
  if (data.count) words.push(t("about.lost", { n: data.count }));
  return words.filter(Boolean).join(" · ");
}
