// Explains in words what has become of the steps of a message's escalation.
import { h } from "./dom.js";
import { deviceName, when } from "./format.js";
import { said, t } from "./words.js";

// steps is a list of them; null for a message that has none.
export function steps(escalation) {
  if (!escalation) return null;
  return h(
    "ul", { class: "steps", "aria-label": t("escalation") },
    escalation.steps.map((s, i) => h(
      "li", { "data-step": i + 1 },
      h("span", { class: `state ${s.state}` }, t(`step.${s.state}`)),
      h("span", {}, t("step.what", { way: t(`via.${s.via}`), after: s.after, told: told(s, escalation.until) })),
    )),
  );
}

function told(s, until) {
  const at = when(s.at);
  const reasons = [...new Set((s.failed ?? []).map((f) => said(f.reason)))].join(", ");
  switch (s.state) {
    case "pending":
      return t("step.at", { when: at, until: t(`until.${until}`) });
    case "sending":
      return s.reason ? t("step.retry", { when: at, reason: said(s.reason) }) : t("step.since", { when: at });
    case "sent":
      if (s.via === "event") return t("step.written", { when: at });
      return t(reasons ? "step.pushedsome" : "step.pushed", { when: at, n: (s.sent ?? []).length, reasons });
    case "not_needed":
      if (s.read) return t("step.read", { when: at });
      return t("step.acknowledged", { when: at, devices: (s.acknowledged ?? []).map(deviceName).join(", ") });
    case "no_endpoint":
      return t(s.via === "event" ? "step.noevent" : "step.nosubscription", { when: at });
    default:
      return t(reasons ? "step.brokewhy" : "step.broke", { when: at, reasons });
  }
}
