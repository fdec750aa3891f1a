// Explains the delivery state of a message in words.
import { fill, h } from "./dom.js";
import { deviceName, plural } from "./format.js";
import { steps } from "./steps.js";

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
        h("span", { class: `state ${r.state}` }, r.state),
        h("span", {}, h("bdi", { class: "name" }, who(r, user)), ": ", reason(r, here(r), user)),
      )),
    ),
    receipts.length > many ? h("p", { class: "soft" }, `and ${plural(receipts.length - many, "receipt")} more`) : null,
    steps(escalation),
  );
}

const got = (r) => r.state === "acknowledged" || r.state === "read";
const isNobody = (receipts, user) => receipts.length === 1 && receipts[0].device === "" && receipts[0].state === "stored" && user !== null && user.sessions.length === 0;

function verdict(receipts, user) {
  if (receipts.length === 0) return "No recipients: the channel has neither members nor subscribers.";
  const name = user?.user ?? "";
  const have = receipts.filter(got).length;
  if (receipts.every((r) => r.state === "read")) return user ? `Read by ${name}.` : "Read by all.";
  if (have === receipts.length) return user ? `Received on every device of ${name}.` : "Received by all.";
  if (have > 0) return `Received by ${have} of ${plural(receipts.length, "device")}.`;
  if (user === null) return "Not acknowledged yet.";
  if (isNobody(receipts, user)) return `Not received: ${name} is not connected.`;
  return user.sessions.length === 0 ? `Not received: no device of ${name} is connected.` : `Not acknowledged by ${name} yet.`;
}

function who(r, user) {
  return user ? deviceName(r.device) : `${r.user}, ${deviceName(r.device)}`;
}

function reason(r, sessions, user) {
  switch (r.state) {
    case "read":
      return "covered by the user's read mark, which holds for all devices.";
    case "acknowledged":
      return `acknowledged. ${said("has", sessions)}`;
    case "sent":
      return `sent, and not acknowledged yet. ${said("not", sessions)}`;
    default:
      return waits(sessions, user);
  }
}

// How a device acknowledges depends on its mode.
const words = {
  has: {
    plain: "The browser received it.",
    "wirepost.v1": "The client sent an ack.",
    other: "The client returned with the next request.",
    unknown: "The client received it.",
  },
  not: {
    plain: "The pong has not arrived.",
    "wirepost.v1": "The client has not sent its ack.",
    other: "The client has not returned with the next request.",
    unknown: "The client has not acknowledged it.",
  },
};

function said(which, sessions) {
  const told = words[which];
  if (sessions.length === 0) return told.unknown;
  return told[sessions.at(-1).mode] ?? told.other; // the newest
}

function waits(sessions, user) {
  if (user === null) return "not acknowledged. The message stays in the log.";
  if (sessions.length === 0) return "not connected. The message stays in the log and is sent on the next connection.";
  return "connected, but not sent yet: the client's window is full, or its socket accepts no more data.";
}
