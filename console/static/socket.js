// One socket of the playground, which logs every event.
const codes = {
  1000: "normal", 1001: "going away", 1006: "no close frame: refused, or the connection broke", 1009: "message too big", 1012: "restart",
  4401: "token missing or expired", 4403: "forbidden", 4408: "heartbeat lost", 4409: "disconnected by the application", 4429: "too much",
};

// open connects. tell receives {kind, direction, data, note} for each event; ended is
// called once.
export function open(url, protocol, { tell, opened, ended }) {
  const ws = protocol ? new WebSocket(url, protocol) : new WebSocket(url);
  ws.binaryType = "arraybuffer";
  ws.onopen = () => {
    tell({ kind: "open", direction: "·", note: ws.protocol ? `subprotocol ${ws.protocol}` : "no subprotocol" });
    opened();
  };
  ws.onmessage = ({ data }) => tell({ ...frame(data), direction: "in" });
  ws.onclose = ({ code, reason, wasClean }) => {
    tell({ kind: "close", direction: "·", note: [`${code} ${codes[code] ?? ""}`.trim(), reason, wasClean ? "" : "not clean"].filter(Boolean).join(" · ") });
    ended(code);
  };
  return {
    ready: () => ws.readyState === WebSocket.OPEN,
    waiting: () => ws.bufferedAmount,
    send(data) {
      ws.send(data);
      tell({ ...frame(data), direction: "out" });
    },
    close: () => ws.close(1000),
  };
}

// frame describes a message as the frame that carries it (RFC 6455 §5.6).
function frame(data) {
  if (typeof data === "string") return { kind: "text", data, size: new TextEncoder().encode(data).length };
  const bytes = new Uint8Array(data);
  return { kind: "binary", data: bytes, size: bytes.length };
}
