// The playground: open a socket, send, close, and see every frame. It keeps its state
// while another section is shown.
import * as acks from "./acks.js";
import * as refusals from "./refusal.js";
import * as sockets from "./socket.js";
import * as streams from "./stream.js";
import { field, fill, h, notice, panel, Tools } from "./dom.js";
import { bytes } from "./format.js";
import { framelog } from "./framelog.js";
import { pushForm } from "./push.js";
import { t } from "./words.js";

const largest = 32 << 20; // maximum size of a file to send

let kept = null;

export function show(main, _, settings) {
  kept ??= build(settings);
  fill(main, h("h1", {}, t("playground")), kept);
  return null;
}

const targets = [
  ["plain", t("target.plain")],
  ["wirepost.v1", "/ws, wirepost.v1"],
  ["sse", "/sse"],
  ["echo", "/echo"],
];

const subscribing = '{"type":"subscribe","channel":"news"}'; // an example

function build(settings) {
  const form = controls(settings);
  const log = framelog();
  const sending = sender();
  const pushing = h("div", { class: "pushing" });
  const said = notice();
  let socket = null;
  let unwatch = null;

  const state = (now) => {
    form.state(now);
    sending.enable(now === "open" && form.target() !== "sse");
  };
  let address = null; // until it is open
  const ended = () => {
    if (address && form.target() !== "echo") {
      refusals.ask(address.url, address.token).then((note) => tell({ kind: "refused", direction: "·", note }));
    }
    address = null;
    socket = null;
    unwatch?.();
    unwatch = null;
    state("closed");
  };
  const tell = (event) => {
    log.add(event);
    if (event.direction === "in" && form.acknowledges()) acknowledge(socket, event.data);
  };
  const opened = () => {
    address = null;
    state("open");
    const { user, device } = form.who();
    if (form.target() !== "plain" || user === "") return;
    unwatch = acks.watch(user, device, (channel, seq) => {
      log.add({ kind: "pong", direction: "pong", note: t("frame.acked", { channel, seq }) });
    }, (error) => said.fail(error));
  };
  form.onopen = () => {
    if (socket) return;
    said.clear();
    try {
      address = form.address();
      const { url, protocol } = address;
      const hear = { tell, opened, ended };
      socket = form.target() === "sse" ? streams.open(url, hear) : sockets.open(url, protocol, hear);
      state("opening");
    } catch (error) {
      address = null;
      said.fail(error);
    }
  };
  form.onclose = () => {
    address = null; // closed by the user, not refused
    socket?.close();
  };
  form.onchange = () => {
    const { user } = form.who();
    const inbox = form.target() !== "echo" && user !== "" ? `user:${user}` : "";
    if (pushing.dataset.inbox === inbox) return;
    pushing.dataset.inbox = inbox;
    fill(pushing, inbox ? panel(t("push.to", { inbox }), pushForm(inbox, () => {})) : null);
  };
  sending.onsend = (data) => {
    if (!socket?.ready()) throw new Error(t("socket.closed"));
    socket.send(data);
  };
  form.onchange();
  state("closed");
  return h(
    "div", { class: "playground" },
    h("div", { class: "side" }, panel(t("socket"), form.element, said.element), panel(t("send"), sending.element), pushing),
    panel(t("frames"), new Tools(h("div", { class: "actions" }, log.tools)), log.element),
  );
}

// acknowledge sends the ack of a wirepost.v1 message, as a client does.
function acknowledge(socket, data) {
  if (typeof data !== "string" || !socket?.ready()) return;
  let frame;
  try {
    frame = JSON.parse(data);
  } catch {
    return; // it is only shown
  }
  if (frame?.type === "message") socket.send(JSON.stringify({ type: "ack", channel: frame.channel, seq: frame.seq }));
}

// controls is the form that opens and closes.
function controls({ dev, echo }) {
  const text = (props) => h("input", { autocomplete: "off", autocapitalize: "off", spellcheck: "false", ...props });
  const target = h("select", {}, targets.filter(([name]) => echo || name !== "echo").map(([value, words]) => h("option", { value }, words)));
  const user = text({ value: "42", maxlength: "195" });
  const token = text({ type: "password", placeholder: t("token.hint") });
  const device = text({ maxlength: "200", placeholder: t("default device") });
  const channels = text({ placeholder: "news,room:7" });
  const ack = h("input", { type: "checkbox", checked: true });
  const open = h("button", { class: "main" }, t("socket.open"));
  const close = h("button", { type: "button" }, t("close"));
  const state = h("span", { class: "pill", role: "status" });
  const hint = h("p", { class: "soft" });

  const who = dev ? field(t("user"), user) : field(t("token"), token);
  const more = h("div", { class: "row" }, field(t("device"), device), field(t("channels"), channels));
  const acking = h("label", { class: "check" }, ack, t("socket.ack"));
  const self = {
    target: () => target.value,
    acknowledges: () => target.value === "wirepost.v1" && ack.checked,
    who() {
      if (dev) return { user: user.value, device: device.value };
      const claimed = acks.subjectOf(token.value);
      return { user: claimed.user, device: device.value || claimed.device };
    },
    address() {
      const base = location.origin.replace(/^http/, "ws");
      if (target.value === "echo") return { url: `${base}/echo`, protocol: "" };
      const query = new URLSearchParams();
      if (dev) query.set("user", user.value);
      if (device.value) query.set("device", device.value);
      if (channels.value) query.set("channels", channels.value.replaceAll(" ", ""));
      if (!dev && !/^[\w.-]+$/.test(token.value)) throw new Error(t("token.wrong"));
      if (target.value === "sse") {
        if (!dev) query.set("token", token.value); // the only way for an EventSource
        return { url: `${location.origin}/sse?${query}` };
      }
      const protocols = [target.value === "plain" ? "wirepost.plain" : target.value];
      if (!dev) protocols.push(`bearer.${token.value}`);
      // Without a token this is a bare WebSocket.
      return { url: `${base}/ws?${query}`, protocol: dev && target.value === "plain" ? "" : protocols, token: dev ? "" : token.value };
    },
    state(now) {
      state.dataset.state = { open: "live", opening: "wait", closed: "away" }[now];
      state.textContent = t(`socket.state.${now}`);
      open.disabled = now !== "closed";
      close.disabled = now === "closed";
      for (const control of [target, user, token, device, channels]) control.disabled = now !== "closed";
    },
    onopen() {},
    onclose() {},
    onchange() {},
  };
  const changed = () => {
    const isEcho = target.value === "echo";
    who.hidden = more.hidden = isEcho;
    acking.hidden = target.value !== "wirepost.v1";
    hint.textContent = t(`hint.${target.value}`, { example: subscribing });
    self.onchange();
  };
  for (const control of [target, user, token, device]) control.addEventListener("input", changed);
  close.addEventListener("click", () => self.onclose());
  const submit = (event) => {
    event.preventDefault();
    self.onopen();
  };
  self.element = h(
    "form", { onsubmit: submit },
    h("div", { class: "row" }, field(t("socket.to"), target), who), more, acking, hint,
    h("div", { class: "actions" }, open, close, state),
  );
  changed();
  return self;
}

// sender is the form that sends text or a file.
function sender() {
  const words = h("textarea", { rows: "2", spellcheck: "false", value: "hello" });
  const file = h("input", { type: "file" });
  const send = h("button", { class: "main" }, t("send"));
  const sendFile = h("button", { type: "button" }, t("send.file.send"));
  const said = notice();
  const self = {
    onsend() {},
    enable(on) {
      send.disabled = sendFile.disabled = !on;
    },
  };
  const attempt = async (what) => {
    said.clear();
    try {
      self.onsend(await what());
    } catch (error) {
      said.fail(error);
    }
  };
  sendFile.addEventListener("click", () => attempt(async () => {
    const chosen = file.files[0];
    if (!chosen) throw new Error(t("send.file.none"));
    if (chosen.size > largest) throw new Error(t("send.file.large", { size: bytes(chosen.size), limit: bytes(largest) }));
    return chosen.arrayBuffer();
  }));
  const form = h(
    "form", {
      onsubmit(event) {
        event.preventDefault();
        attempt(async () => words.value);
      },
    },
    field(t("send.text"), words), h("div", { class: "actions" }, send, said.element),
    field(t("send.file"), file, t("send.file.what")), h("div", { class: "actions" }, sendFile),
  );
  words.addEventListener("keydown", (event) => {
    if (event.key === "Enter" && (event.ctrlKey || event.metaKey)) form.requestSubmit();
  });
  self.element = form;
  return self;
}
