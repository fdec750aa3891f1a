// An EventSource of the playground, with the interface of a socket that cannot send.
import { t } from "./words.js";

// open connects; the arguments are those of socket.js.
export function open(url, { tell, opened, ended }) {
  const source = new EventSource(url);
  let over = false;
  const end = (note) => {
    if (over) return;
    over = true;
    source.close();
    tell({ kind: "close", direction: "·", note });
    ended();
  };
  source.onopen = () => {
    tell({ kind: "open", direction: "·", note: "text/event-stream" });
    opened();
  };
  source.onmessage = ({ data, lastEventId }) => {
    tell({ kind: "event", direction: "in", data, size: new TextEncoder().encode(data).length });
    if (saysBye(data)) end(t("stream.bye", { id: lastEventId || t("stream.nothing") }));
  };
  source.onerror = () => {
    if (source.readyState === EventSource.CLOSED) end(t("stream.refused"));
    else tell({ kind: "lost", direction: "·", note: t("stream.lost") });
  };
  return { ready: () => false, close: () => end(t("stream.closed")) };
}

// saysBye detects the end of a stream, after which an EventSource would reconnect
// forever.
function saysBye(data) {
  try {
    return JSON.parse(data).type === "bye";
  } catch {
    return false;
  }
}
