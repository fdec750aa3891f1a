// Explains the delivery state of a message in words.
import { fill, h } from "./dom.js";
import { deviceName } from "./format.js";
import { steps } from "./steps.js";
import { t } from "./words.js";

const many = 20;

// explain shows the receipts of a message in words, and the steps of its escalation if it has
// any. user is the inbox's user, null for other channels.
export function explain(box, receipts, user, escalation) {
  const here = (r) => (user === null ? [] : user.sessions.filter((s) => s.device === r.device));
  fill(
    box,
    h("p", { class: "verdict" }, verdict(receipts, user)),
    h(
      "ul", {},
      receipts.slice(0, many).map((r) => h(
        "li", { "data-state": r.state, "data-device": r.device },
        h("span", { class: `state ${r.state}` }, t(`receipt.${r.state}`)),
        h("span", {}, h("bdi", { class: "name" }, who(r, user)), ": ", reason(r, here(r), user)),
      )),
    ),
    receipts.length > many ? h("p", { class: "soft" }, t("receipts.more", { n: receipts.length - many })) : null,
    steps(escalation),
  );
}

const got = (r) => r.state === "acknowledged" || r.state === "read";
const isNobody = (receipts, user) => receipts.length === 1 && receipts[0].device === "" && receipts[0].state === "stored" && user !== null && user.sessions.length === 0;

function verdict(receipts, user) {
  if (receipts.length === 0) return t("verdict.nobody");
  const name = user?.user ?? "";
  const have = receipts.filter(got).length;
  if (receipts.every((r) => r.state === "read")) return user ? t("verdict.read", { user: name }) : t("verdict.readall");
  if (have === receipts.length) return user ? t("verdict.got", { user: name }) : t("verdict.gotall");
  if (have > 0) return t("verdict.some", { have, n: receipts.length });
  if (user === null) return t("verdict.notyet");
  if (isNobody(receipts, user)) return t("verdict.offline", { user: name });
  return t(user.sessions.length === 0 ? "verdict.nodevice" : "verdict.pending", { user: name });
}

function who(r, user) {
  return user ? deviceName(r.device) : t("receipt.who", { user: r.user, device: deviceName(r.device) });
}

function reason(r, sessions, user) {
  switch (r.state) {
    case "read":
      return t("why.read");
    case "acknowledged":
      return t("why.acknowledged", { how: said("has", sessions) });
    case "sent":
      return t("why.sent", { how: said("not", sessions) });
    default:
      return waits(sessions, user);
  }
}

// How a device acknowledges depends on its mode.
const modes = { plain: "plain", "wirepost.v1": "v1" };

function said(which, sessions) {
  if (sessions.length === 0) return t(`${which}.unknown`);
  return t(`${which}.${modes[sessions.at(-1).mode] ?? "other"}`); // the newest
}

function waits(sessions, user) {
  if (user === null) return t("why.log");
  if (sessions.length === 0) return t("why.offline");
  return t("why.waits");
}
