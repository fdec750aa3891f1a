// The statistics of the last minutes, as columns for plots. Recorded in every section.
import { listen } from "./pulse.js";

const seconds = 300;

export const columns = { at: [], in: [], out: [], connections: [], memory: [] };

let before = null;

export function start() {
  listen(({ state, stats, at }) => {
    if (state !== "live") {
      before = null;
      return;
    }
    add(at, rates(before, stats), stats);
    before = stats;
  });
}

// rates are per second between two responses. There are none after a restart, which
// resets the counters.
export function rates(a, b) {
  if (!a || b.uptime_ms <= a.uptime_ms || b.pushes < a.pushes) return null;
  const s = (b.uptime_ms - a.uptime_ms) / 1000;
  return { in: (b.pushes - a.pushes) / s, out: (b.deliveries - a.deliveries) / s };
}

function add(at, rates, stats) {
  columns.at.push(at / 1000);
  columns.in.push(rates ? rates.in : null);
  columns.out.push(rates ? rates.out : null);
  columns.connections.push(stats.connections);
  columns.memory.push(stats.memory_bytes / (1 << 20));
  const old = columns.at.findIndex((t) => t >= at / 1000 - seconds);
  if (old > 0) for (const column of Object.values(columns)) column.splice(0, old);
}

export const latest = (name) => columns[name].at(-1) ?? null;
