// The pulse requests statistics once a second and passes them to its listeners, with
// the state of the connection.
import * as api from "./api.js";

const every = 1000;
const topCount = 10;
const topEvery = 3; // beats: the server visits every connection for it
const listeners = new Map(); // → whether they need the top lists
let last = { state: "wait", stats: null };
let running = 0; // the number of the current round; 0: none

// listen calls fn now, if there are statistics, and at every beat. It returns a function
// that stops this. The largest channels and slow sessions, which are expensive, are
// requested only while a listener needs them.
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
    // A server that shuts down, or a proxy without one, responds with an error.
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

// repeat runs fn now and then whenever the server responds, at most once in ms, until
// the returned function is called. Errors go to failed.
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
