// The pulse asks the server once a second how it is. It tells everybody who
// listens, and whether the server answers at all.
import * as api from "./api.js";

const every = 1000;
const topCount = 10;
const topEvery = 3; // beats: the server looks at every connection for it
const listeners = new Map(); // to whether they want the top
let last = { state: "wait", stats: null };
let running = 0; // the number of the round of beats; 0: none

// listen calls fn now, if there is anything to tell, and at every beat. It
// returns what ends that. The largest channels and slow sessions, which the server
// has to look for, are asked for while somebody wants them.
export function listen(fn, wantsTop = false) {
  listeners.set(fn, wantsTop);
  if (last.stats && (last.stats.top || !wantsTop)) fn(last);
  return () => listeners.delete(fn);
}

let rounds = 0;

export function start() {
  if (running) return;
  running = ++rounds;
  beat(running);
}

export function stop() {
  running = 0;
}

async function beat(round) {
  if (running !== round) return;
  const begun = performance.now();
  try {
    const stats = await api.stats(topIsDue() ? topCount : 0);
    if (running !== round) return;
    stats.top ??= last.stats?.top;
    tell({ state: "live", stats, at: Date.now() });
  } catch (error) {
    if (running !== round) return;
    // A server that ends, or a proxy without one, answers with an error.
    tell({ ...last, state: error instanceof api.Unreachable || error.status >= 500 ? "lost" : "refused", error });
  }
  setTimeout(beat, Math.max(every / 4, every - (performance.now() - begun)), round);
}

let beats = 0;

function topIsDue() {
  return [...listeners.values()].includes(true) && (beats++ % topEvery === 0 || !last.stats?.top);
}

function tell(news) {
  last = news;
  for (const fn of listeners.keys()) fn(news);
}

// repeat runs fn now and whenever the server answers, once in ms, until the
// returned function is called. Errors go to failed.
export function repeat(ms, fn, failed) {
  let timer = 0;
  let over = false;
  const round = async () => {
    clearTimeout(timer);
    try {
      await fn(() => over);
    } catch (error) {
      if (!over && !(error instanceof api.Unreachable)) failed(error);
    }
    if (over) return;
    clearTimeout(timer);
    timer = setTimeout(round, ms);
  };
  round();
  return {
    now: round,
    stop() {
      over = true;
      clearTimeout(timer);
    },
  };
}
