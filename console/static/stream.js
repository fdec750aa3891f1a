// An EventSource of the playground. It looks like a socket that cannot send.

// open connects; the arguments are those of a socket's.
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
    if (saysBye(data)) end(`bye, behind ${lastEventId || "nothing"}`);
  };
  source.onerror = () => {
    if (source.readyState === EventSource.CLOSED) end("refused, or no event stream");
    else tell({ kind: "lost", direction: "·", note: "connection lost; an EventSource comes back by itself" });
  };
  return { ready: () => false, close: () => end("closed here") };
}

// saysBye tells the end of a stream, behind which an EventSource would come back
// for ever.
function saysBye(data) {
  try {
    return JSON.parse(data).type === "bye";
  } catch {
    return false;
  }
}
