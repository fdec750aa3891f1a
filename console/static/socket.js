// One socket of the playground, which logs every event.
import { meaning, t } from "./words.js";

// open connects. tell receives {kind, direction, data, note} for each event; ended is
// called once.
export function open(url, protocol, { tell, opened, ended }) {
  const ws = protocol ? new WebSocket(url, protocol) : new WebSocket(url);
  ws.binaryType = "arraybuffer";
  ws.onopen = () => {
    tell({ kind: "open", direction: "·", note: ws.protocol ? t("frame.open", { protocol: ws.protocol }) : t("frame.open.none") });
    opened();
  };
  ws.onmessage = ({ data }) => tell({ ...frame(data), direction: "in" });
  ws.onclose = ({ code, reason, wasClean }) => {
    tell({ kind: "close", direction: "·", note: [`${code} ${meaning(code)}`.trim(), reason, wasClean ? "" : t("frame.unclean")].filter(Boolean).join(" · ") });
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
