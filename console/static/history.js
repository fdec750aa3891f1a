// The statistics of the last hour, as columns for plots: what the server has kept, and then
// what the pulse brings, in every section.
import * as api from "./api.js";
import { listen } from "./pulse.js";

const names = ["at", "in", "out", "connections", "memory"];
// before is the response at the newest point: rates are means since then.
const make = (seconds, step) => ({ seconds, step, before: null, columns: Object.fromEntries(names.map((name) => [name, []])) });
const spans = { hour: make(3600, 5), minutes: make(300, 0) };
const hole = 15; // seconds without statistics, after which the server is asked for what it has

let chosen = "hour";
let now = null; // the newest rates

export const choose = (span) => (chosen = span);

// shown returns what the charts show.
export const shown = () => ({ name: chosen, span: spans[chosen].seconds, columns: spans[chosen].columns });

export const latest = (name) => now?.[name] ?? null;

export function start() {
  listen(({ state, stats, at }) => {
    if (state !== "live") {
      for (const span of Object.values(spans)) span.before = null;
      return;
    }
    const last = spans.minutes.columns.at.at(-1);
    if (last === undefined || at / 1000 - last > hole) load();
    for (const span of Object.values(spans)) add(span, at / 1000, stats);
  });
}

// rates are per second between two responses. There are none after a restart, which
// resets the counters.
function rates(a, b) {
  if (!a || b.uptime_ms <= a.uptime_ms || b.pushes < a.pushes) return null;
  const s = (b.uptime_ms - a.uptime_ms) / 1000;
  return { in: (b.pushes - a.pushes) / s, out: (b.deliveries - a.deliveries) / s };
}

// add adds a point to a span, unless it has one that is newer than its step.
function add(span, at, stats) {
  const { seconds, step, before, columns } = span;
  if (columns.at.length > 0 && at - columns.at.at(-1) < step) return;
  const since = rates(before, stats);
  if (step === 0) now = since;
  span.before = stats;
  const point = { at, in: since?.in ?? null, out: since?.out ?? null, connections: stats.connections, memory: stats.memory_bytes / (1 << 20) };
  for (const name of names) columns[name].push(point[name]);
  const old = columns.at.findIndex((then) => then >= at - seconds);
  if (old > 0) for (const column of Object.values(columns)) column.splice(0, old);
}

// load puts what the server has kept before what there is. Its clock may be another one.
async function load() {
  let past;
  try {
    past = await api.history();
  } catch {
    return; // the pulse shows what is wrong
  }
  const shift = Date.now() - past.now;
  const points = past.time.map((time, i) => {
    const a = i === 0 ? null : { uptime_ms: past.time[i - 1], pushes: past.pushes[i - 1], deliveries: past.deliveries[i - 1] };
    const r = rates(a, { uptime_ms: time, pushes: past.pushes[i], deliveries: past.deliveries[i] });
    return { at: (time + shift) / 1000, in: r?.in ?? null, out: r?.out ?? null, connections: past.connections[i], memory: past.memory_bytes[i] / (1 << 20) };
  });
  for (const { seconds, columns } of Object.values(spans)) {
    const first = columns.at.find((at) => at > Date.now() / 1000 - hole) ?? Date.now() / 1000;
    const keep = columns.at.indexOf(first);
    const older = points.filter(({ at }) => at < first && at >= Date.now() / 1000 - seconds);
    for (const name of names) columns[name].splice(0, keep < 0 ? columns[name].length : keep, ...older.map((p) => p[name]));
  }
}
