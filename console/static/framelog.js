// The log of the playground: one line per frame.
import { h, text } from "./dom.js";
import { bytes, clock, hex } from "./format.js";
import { t } from "./words.js";

const most = 500;
const previewed = 120;
const shownInFull = 16 << 10;

const arrows = { in: ["↓", t("arrow.in")], out: ["↑", t("arrow.out")], "·": ["·", t("arrow.event")], pong: ["⇡", t("arrow.pong")] };

export function framelog() {
  const lines = h("ol");
  const view = h("div", { class: "frames", role: "log", "aria-live": "polite", "aria-label": t("frames"), tabindex: "0" }, lines);
  const none = h("p", { class: "empty" }, t("frames.none"));
  const count = h("span", { class: "soft" });
  const clear = h("button", { type: "button", class: "quiet" }, t("clear"));
  let seen = { in: 0, out: 0 };
  let waiting = []; // lines to add; under high load only the last ones are shown
  let pause = 0; // ms until they are added: four times the duration of adding, which leaves time for the frames

  const tally = () => text(count, seen.in + seen.out ? t("frames.count", seen) : "");
  clear.addEventListener("click", () => {
    lines.replaceChildren();
    seen = { in: 0, out: 0 };
    waiting = [];
    none.hidden = false;
    tally();
  });
  const flush = () => {
    const begun = performance.now();
    const atEnd = view.scrollHeight - view.scrollTop - view.clientHeight < 40;
    lines.append(...waiting.map(line));
    waiting = [];
    while (lines.children.length > most) lines.firstElementChild.remove();
    if (atEnd) view.scrollTop = view.scrollHeight;
    tally();
    pause = 4 * (performance.now() - begun);
  };
  return {
    element: h("div", { class: "log" }, none, view),
    tools: [count, clear],
    add(event) {
      if (event.direction in seen) seen[event.direction]++;
      none.hidden = true;
      if (waiting.length === 0) setTimeout(flush, pause);
      waiting.push({ ...event, at: new Date() });
      if (waiting.length > most) waiting.shift();
    },
  };
}

function line({ direction, kind, data, size, note, at }) {
  const [arrow, meaning] = arrows[direction];
  const head = [
    h("span", { class: "time" }, clock(at)),
    h("span", { class: "arrow", title: meaning, role: "img", "aria-label": meaning }, arrow),
    h("span", { class: "opcode" }, t(`kind.${kind}`)),
    h("span", { class: "size" }, size === undefined ? "" : bytes(size)),
  ];
  const props = { "data-direction": direction, "data-kind": kind };
  if (data === undefined) return h("li", props, h("div", { class: "frame" }, head, h("span", { class: "preview" }, note)));
  const full = typeof data === "string" ? data : hex(data);
  const preview = h("span", { class: "preview" }, typeof data === "string" ? data.slice(0, previewed) : brief(data));
  if (typeof data === "string" && data.length <= previewed && !data.includes("\n")) return h("li", props, h("div", { class: "frame" }, head, preview));
  return h("li", props, h("details", {}, h("summary", { class: "frame" }, head, preview), h("pre", { tabindex: "0" }, cut(full))));
}

const brief = (data) => [...data.subarray(0, 16)].map((b) => b.toString(16).padStart(2, "0")).join(" ") + (data.length > 16 ? " …" : "");
const cut = (s) => (s.length > shownInFull ? `${s.slice(0, shownInFull)}\n${t("message.more", { bytes: bytes(s.length - shownInFull) })}` : s);
