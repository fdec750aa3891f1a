// Explains in words what has become of the steps of a message's escalation.
import { h } from "./dom.js";
import { deviceName, plural, when } from "./format.js";

// steps is a list of them; null for a message that has none.
export function steps(escalation) {
  if (!escalation) return null;
  return h(
    "ul", { class: "steps", "aria-label": "Escalation" },
    escalation.steps.map((s, i) => h(
      "li", { "data-step": i + 1 },
      h("span", { class: `state ${s.state}` }, s.state.replace("_", " ")),
      h("span", {}, `${ways[s.via] ?? s.via} after ${s.after}: `, told(s, escalation.until)),
    )),
  );
}

const ways = { webpush: "Web Push", event: "Event" };

function told(s, until) {
  switch (s.state) {
    case "pending":
      return `at ${when(s.at)}, unless it is ${until} before.`;
    case "sending":
      return s.reason ? `tried again since ${when(s.at)}: ${s.reason}.` : `being sent since ${when(s.at)}.`;
    case "sent":
      return s.via === "event" ? `written at ${when(s.at)}.` : `sent at ${when(s.at)} to ${plural((s.sent ?? []).length, "subscription")}${refused(s)}.`;
    case "not_needed":
      return `not needed at ${when(s.at)}: ${why(s)}.`;
    case "no_endpoint":
      return s.via === "event" ? `due at ${when(s.at)}, but no endpoint selects the event.` : `due at ${when(s.at)}, but the user has no subscription.`;
    default:
      return `failed at ${when(s.at)}${refused(s)}.`;
  }
}

function refused(s) {
  const list = s.failed ?? [];
  return list.length === 0 ? "" : `; ${plural(list.length, "subscription")} refused: ${[...new Set(list.map((f) => f.reason))].join(", ")}`;
}

function why(s) {
  if (s.read) return "it was read";
  return `acknowledged by ${(s.acknowledged ?? []).map(deviceName).join(", ")}`;
}
