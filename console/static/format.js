// Formatting.
import { t } from "./words.js";

export const whole = (n) => n.toLocaleString("en");

// rate is a number per second.
export const rate = (n) => (n >= 100 || Number.isInteger(n) ? whole(Math.round(n)) : n.toFixed(1));

// short is a number for an axis.
export function short(n) {
  if (n === null || n === undefined) return "";
  if (n >= 1e6) return `${Number((n / 1e6).toPrecision(3))} M`;
  if (n >= 1e4) return `${Number((n / 1e3).toPrecision(3))} k`;
  return String(Number(n.toPrecision(3)));
}

export function bytes(n) {
  if (n < 1024) return `${n} B`;
  const units = ["KiB", "MiB", "GiB", "TiB"];
  let unit = -1;
  do {
    n /= 1024;
    unit++;
  } while (n >= 1024 && unit < units.length - 1);
  return `${n >= 100 ? Math.round(n) : n.toFixed(1)} ${units[unit]}`;
}

export function duration(ms) {
  const s = Math.max(0, Math.floor(ms / 1000));
  if (s < 60) return t("s", { s });
  const min = Math.floor(s / 60);
  if (min < 60) return t("min", { min, s: s % 60 });
  const hours = Math.floor(min / 60);
  if (hours < 24) return t("h", { h: hours, min: min % 60 });
  return t("d", { d: Math.floor(hours / 24), h: hours % 24 });
}

// latency is a duration that is short.
export const latency = (ms) => (ms < 1000 ? `${Number(ms.toPrecision(2))} ms` : `${(ms / 1000).toFixed(1)} s`);

const sameDay = (a, b) => a.toDateString() === b.toDateString();

// when is a time, with its day unless that is today.
export function when(ms) {
  const date = new Date(ms);
  const clock = date.toLocaleTimeString("en-GB");
  return sameDay(date, new Date()) ? clock : `${date.toLocaleDateString("en-CA")} ${clock}`;
}

// clock is a time of today, to the millisecond.
export const clock = (date) => `${date.toLocaleTimeString("en-GB")}.${String(date.getMilliseconds()).padStart(3, "0")}`;

export const deviceName = (device) => (device === "" ? t("default device") : device);

// hex is a dump of bytes as hexadecimal and ASCII, 16 a line.
export function hex(data, limit = 1024) {
  const lines = [];
  const end = Math.min(data.length, limit);
  for (let i = 0; i < end; i += 16) {
    const row = [...data.subarray(i, Math.min(i + 16, end))];
    const digits = row.map((b) => b.toString(16).padStart(2, "0")).join(" ");
    const ascii = row.map((b) => (b >= 32 && b < 127 ? String.fromCharCode(b) : ".")).join("");
    lines.push(`${i.toString(16).padStart(4, "0")}  ${digits.padEnd(47)}  ${ascii}`);
  }
  if (data.length > limit) lines.push(t("bytes.more", { n: data.length - limit }));
  return lines.join("\n");
}
