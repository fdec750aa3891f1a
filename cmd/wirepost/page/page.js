"use strict";

// The page works with the platform's own WebSocket: there is nothing else that a
// client needs.
const element = (id) => document.getElementById(id);
const base = `ws://${location.host}`;
const maxLines = 500;
let socket = null;

function log(line) {
  const lines = element("log");
  lines.append(`${new Date().toLocaleTimeString()}  ${line}\n`);
  while (lines.childNodes.length > maxLines) lines.firstChild.remove();
  lines.scrollTop = lines.scrollHeight;
}

function show(state) {
  element("state").textContent = state;
  element("open").disabled = state !== "closed";
  element("close").disabled = state === "closed";
  element("sendButton").disabled = state !== "open";
}

function address() {
  const to = document.querySelector("input[name=to]:checked").value;
  if (to === "echo") return `${base}/echo`;
  return `${base}/ws?user=${encodeURIComponent(element("user").value)}`;
}

function open() {
  const ws = new WebSocket(address());
  ws.binaryType = "arraybuffer";
  ws.onopen = () => {
    show("open");
    log(`open: ${ws.url}`);
  };
  ws.onmessage = ({ data }) => {
    log(`< ${typeof data === "string" ? data : `${data.byteLength} bytes`}`);
  };
  ws.onclose = ({ code, reason }) => {
    if (socket === ws) socket = null;
    show("closed");
    log(`closed: ${code}${reason ? ` ${reason}` : ""}`);
  };
  socket = ws;
  show("opening");
}

element("connect").addEventListener("submit", (event) => {
  event.preventDefault();
  if (socket === null) open();
});

element("close").addEventListener("click", () => socket?.close(1000));

element("send").addEventListener("submit", (event) => {
  event.preventDefault();
  if (socket?.readyState !== WebSocket.OPEN) return;
  const text = element("text").value;
  socket.send(text);
  log(`> ${text}`);
});

function examples() {
  const user = element("user").value;
  // In the shell a name may need quotes; in JavaScript JSON gives them.
  const channel = encodeURIComponent(`user:${user}`).replaceAll("%3A", ":").replaceAll("'", "%27");
  element("curl").textContent =
    `curl -d hello '${location.origin}/v1/push/${channel}'\n` +
    `curl -d '{"n":1}' -H 'Content-Type: application/json' '${location.origin}/v1/push/${channel}'`;
  const url = JSON.stringify(`${base}/ws?user=${encodeURIComponent(user)}`);
  element("snippet").textContent =
    `const ws = new WebSocket(${url})\n` +
    `ws.onmessage = (event) => console.log(event.data)`;
}

element("user").addEventListener("input", examples);
examples();
show("closed");
