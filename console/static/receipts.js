// Why somebody did not get a message, in words.
import { fill, h } from "./dom.js";
import { deviceName, plural } from "./format.js";

const many = 20;

// explain writes what the receipts of a message mean. user is what is known of
// the inbox's user, null for other channels.
export function explain(box, receipts, user) {
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
  );
}

const got = (r) => r.state === "acknowledged" || r.state === "read";
const isNobody = (receipts, user) => receipts.length === 1 && receipts[0].device === "" && receipts[0].state === "stored" && user !== null && user.sessions.length === 0;

function verdict(receipts, user) {
  if (receipts.length === 0) return "Nobody is to get it: the channel has neither members nor subscribers.";
  const name = user?.user ?? "";
  const have = receipts.filter(got).length;
  if (receipts.every((r) => r.state === "read")) return user ? `${name} has read it.` : "All have read it.";
  if (have === receipts.length) return user ? `${name} has it on every device.` : "All have it.";
  if (have > 0) return `It came to ${have} of ${plural(receipts.length, "device")}.`;
  if (user === null) return "Nobody has acknowledged it yet.";
  if (isNobody(receipts, user)) return `${name} has not got it: nobody is connected.`;
  return user.sessions.length === 0 ? `${name} has not got it: no device is connected.` : `${name} has not acknowledged it yet.`;
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

// How a device acknowledges depends on how it is spoken to.
const words = {
  has: {
    plain: "The browser received it.",
    "wirepost.v1": "The client's code said so.",
    other: "Its client came back for what follows.",
    unknown: "Its client received it.",
  },
  not: {
    plain: "The pong that would prove it has not come.",
    "wirepost.v1": "The client has not sent its ack.",
    other: "The client has not come back for what follows.",
    unknown: "Its client has not said that it has it.",
  },
};

function said(which, sessions) {
  const told = words[which];
  if (sessions.length === 0) return told.unknown;
  return told[sessions.at(-1).mode] ?? told.other; // the newest
}

function waits(sessions, user) {
  if (user === null) return "not acknowledged. It waits in the log.";
  if (sessions.length === 0) return "not connected. It waits in the log and comes first at the next connection.";
  return "connected, but it was not sent yet: the client's window is full, or its connection takes no more.";
}
