// A plot of columns against the time, by uPlot. It styles its elements through
// the CSSOM, which the content security policy permits.
import { h } from "./dom.js";
import { short } from "./format.js";

const height = 190;
const steps = [1, 2, 5].flatMap((n) => Array.from({ length: 12 }, (_, i) => n * 10 ** (i - 2))).sort((a, b) => a - b);
const wholeSteps = steps.filter((n) => n >= 1); // of what is counted: no half connections

// colour resolves a custom property: a canvas knows no variables.
function colour(name, at) {
  const probe = h("span");
  probe.style.color = `var(--${name})`;
  at.append(probe);
  const value = getComputedStyle(probe).color;
  probe.remove();
  return value;
}

// chart draws lines [{label, colour, fill, dash}] of a unit, the last one on top. update takes
// the columns, the times first, and how many seconds to show.
export function chart(title, unit, lines) {
  const box = h("div", { class: "plot", role: "img", "aria-label": title });
  let plot = null;
  let data = [[], ...lines.map(() => [])];
  let fresh = true;
  let span = 300;

  const draw = () => {
    plot?.destroy();
    plot = null;
    if (!box.isConnected || box.clientWidth === 0) return;
    plot = new uPlot(options(box, unit, lines, () => span), data, box);
    newest();
  };
  // The legend tells the newest values while nobody points at others. The first response
  // after the page was loaded has no rates yet: those before it are the server's.
  const newest = () => queueMicrotask(() => {
    const last = data[0].length - 1;
    if (plot && plot.cursor.left < 0) plot.setLegend({ idx: data[1][last] === null ? last - 1 : last });
  });
  const resize = new ResizeObserver(() => {
    if (!plot) draw();
    else plot.setSize({ width: box.clientWidth, height });
    newest();
  });
  resize.observe(box);
  addEventListener("themechange", draw);

  return {
    element: box,
    update(columns, seconds) {
      data = columns;
      span = seconds;
      if (plot) plot.setData(data);
      else if (fresh) draw();
      fresh = plot === null;
      newest();
    },
    destroy() {
      resize.disconnect();
      removeEventListener("themechange", draw);
      plot?.destroy();
    },
  };
}

function options(box, unit, lines, span) {
  const stroke = colour("soft", box);
  const line = { stroke: colour("line", box), width: 1 };
  const axis = { stroke, grid: line, ticks: { ...line, size: 4 }, font: "12px system-ui, sans-serif" };
  const clock = (t) => new Date(t * 1000).toLocaleTimeString("en-GB");
  return {
    width: box.clientWidth,
    height,
    padding: [8, 26, 0, 0], // room for half of the last label
    cursor: { y: false, drag: { x: false, y: false }, points: { size: 7 } },
    scales: {
      // The newest value is at the right edge.
      x: { range: (_, min, max) => (max === null ? [0, 60] : [max - Math.min(span(), Math.max(60, max - min)), max]) },
      y: { range: (_, min, max) => [0, max > 0 ? max * 1.15 : 1] },
    },
    axes: [
      { ...axis, size: 28, space: 80, values: (_, all) => all.map((t) => clock(t).slice(0, t % 60 ? 8 : 5)) },
      { ...axis, size: 48, incrs: unit ? steps : wholeSteps, values: (_, all) => all.map(short) },
    ],
    series: [
      {},
      ...lines.map((l) => ({
        label: l.label,
        stroke: colour(l.colour, box),
        width: 2,
        fill: l.fill ? colour(`${l.colour}-fill`, box) : undefined,
        dash: l.dash,
        points: { show: false },
        value: (_, v) => (v === null || v === undefined ? "–" : `${short(v)}${unit}`),
      })),
    ],
  };
}
