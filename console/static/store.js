// The store and its disk: sizes, free space, syncs, and what is stored.
import * as api from "./api.js";
import { fill, h, notice, panel, text } from "./dom.js";
import { bytes, latency, whole } from "./format.js";
import { repeat } from "./pulse.js";
import { t } from "./words.js";

const every = 2000;
const most = 10_000; // users and channels that are counted
const countEvery = 15; // rounds: the server reads names for it

export function show(main) {
  const said = notice();
  const disk = diskPanel();
  const files = factsPanel("files", ["bytes", "log", "tables", "levels", "debt"]);
  const syncs = syncsPanel();
  const stored = factsPanel("stored", ["users", "channels", "epoch"]);
  const memory = panel(t("disk"), h("p", {}, t("store.memory")), h("p", { class: "soft" }, t("store.memory.what")));
  const left = h("div", {}, files.element);
  const onDisk = h("div", {}, disk.element, h("div", { class: "pair" }, left, syncs.element));
  const inMemory = h("div", {}, memory);
  const shown = h("div", {}, h("p", { class: "empty" }, t("loading")));
  fill(main, h("h1", {}, t("store")), said.element, shown);

  let count = null;
  let rounds = 0;
  return repeat(every, async (over) => {
    const store = await api.store(rounds++ % countEvery === 0 ? most : 0);
    if (over()) return;
    said.clear();
    count = store.count ?? count;
    const now = store.files ? onDisk : inMemory;
    if (shown.firstElementChild !== now) {
      fill(shown, now);
      (store.files ? left : inMemory).append(stored.element);
    }
    if (store.files) {
      disk.update(store);
      const { bytes: size, log_bytes: log, tables, read_levels: levels, compaction_debt_bytes: debt } = store.files;
      files.update({ bytes: bytes(size), log: bytes(log), tables: whole(tables), levels: whole(levels), debt: bytes(debt) });
      syncs.update(store.syncs);
    }
    stored.update({ users: counted(count?.users), channels: counted(count?.channels), epoch: store.epoch });
  }, (error) => said.fail(error)).stop;
}

const counted = (n) => (n === undefined ? "–" : n === most ? t("stored.more", { n }) : whole(n));

// factsPanel shows facts whose names are texts below the name of the panel.
function factsPanel(name, terms) {
  const values = Object.fromEntries(terms.map((term) => [term, h("dd", { "data-fact": term })]));
  return {
    element: panel(t(name), h("dl", { class: "facts" }, terms.map((term) => [h("dt", {}, t(`${name}.${term}`)), values[term]]))),
    update(now) {
      for (const term of terms) text(values[term], now[term]);
    },
  };
}

// diskPanel shows how full the volume is, and how much of that is the store.
function diskPanel() {
  const bar = h("div", { class: "bars", "aria-hidden": "true" }, h("span", { class: "store" }), h("span", { class: "others" }));
  const note = h("p", { class: "soft" });
  const values = Object.fromEntries(["store", "others", "free"].map((name) => [name, h("dd", { "data-fact": name })]));
  const facts = h("dl", { class: "legend" }, Object.entries(values).map(([name, value]) => h("div", { class: name }, h("dt", {}, t(`disk.${name}`)), value)));
  return {
    element: panel(t("disk"), bar, facts, note),
    update({ files, disk }) {
      bar.hidden = facts.hidden = !disk;
      text(note, disk ? t("disk.of", { free: bytes(disk.free_bytes), size: bytes(disk.size_bytes) }) : t("disk.unknown"));
      if (!disk) return;
      const others = Math.max(0, disk.size_bytes - disk.free_bytes - files.bytes);
      bar.firstElementChild.style.width = `${(100 * files.bytes) / disk.size_bytes}%`;
      bar.lastElementChild.style.width = `${(100 * others) / disk.size_bytes}%`;
      text(values.store, bytes(files.bytes));
      text(values.others, bytes(others));
      text(values.free, bytes(disk.free_bytes));
      note.classList.toggle("bad", disk.free_bytes < disk.size_bytes / 20);
    },
  };
}

// syncsPanel shows how long the syncs of the disk take.
function syncsPanel() {
  const facts = factsPanel("syncs", ["last", "mean", "count"]);
  const body = h("tbody");
  const table = h("table", { class: "shares" }, h("caption", { class: "soft" }, t("syncs.share")), body);
  facts.element.append(h("p", { class: "soft" }, t("syncs.what")), table);
  return {
    element: facts.element,
    update({ count, last_ms: last, mean_ms: mean, buckets }) {
      facts.update({ last: count ? latency(last) : "–", mean: count ? latency(mean) : "–", count: whole(count) });
      const longer = count - buckets.reduce((sum, b) => sum + b.count, 0);
      const rows = buckets.map((b) => [t("syncs.upto", { time: latency(b.up_to_ms) }), b.count]);
      if (longer > 0) rows.push([t("syncs.longer"), longer]);
      table.hidden = count === 0;
      fill(body, rows.filter(([, n]) => n > 0).map(([words, n]) => {
        const bar = h("span", { class: "share" });
        bar.style.width = `${(100 * n) / count}%`;
        return h("tr", {}, h("th", { scope: "row" }, words), h("td", { class: "number" }, whole(n)), h("td", { class: "bar-cell", "aria-hidden": "true" }, bar));
      }));
    },
  };
}
