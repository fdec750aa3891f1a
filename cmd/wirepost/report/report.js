"use strict";
{
  const dark = matchMedia("(prefers-color-scheme: dark)");
  const colour = (name) => getComputedStyle(document.documentElement).getPropertyValue("--" + name).trim();
  const short = (v) => {
    if (v === null || v === undefined) return "–";
    const a = Math.abs(v);
    if (a >= 1e6) return (v / 1e6).toPrecision(3) + " M";
    if (a >= 1e4) return (v / 1e3).toPrecision(3) + " k";
    return String(Number(v.toPrecision(4)));
  };

  const draw = (plot, box) => {
    const axis = { stroke: colour("soft"), grid: { stroke: colour("line"), width: 1 }, ticks: { stroke: colour("line"), width: 1 } };
    const names = ["a", "b", "c", "d"];
    return new uPlot({
      width: box.clientWidth,
      height: 260,
      scales: {
        x: { time: false, distr: plot.log ? 3 : 1 },
        y: { range: (u, min, max) => [Math.min(0, min), max > 0 ? max * 1.08 : 1] },
      },
      axes: [
        { ...axis, label: plot.x, labelSize: 22, values: (u, all) => all.map((v) => (v === null ? "" : short(v))) },
        { ...axis, size: 70, label: plot.unit, labelSize: 22, values: (u, all) => all.map(short) },
      ],
      series: [
        { label: plot.x, value: (u, v) => short(v) },
        ...plot.lines.map((line, i) => ({
          label: line.name,
          stroke: colour(names[i % names.length]),
          width: 1.5,
          spanGaps: true,
          points: { show: plot.at.length < 3 },
          value: (u, v) => short(v),
        })),
      ],
    }, [plot.at, ...plot.lines.map((line) => line.values)], box);
  };

  const drawn = [];
  const redraw = () => {
    for (const d of drawn) {
      d.chart?.destroy();
      d.chart = draw(d.plot, d.box);
    }
  };
  for (const plot of plots) {
    const panel = document.createElement("section");
    panel.className = "plot";
    const title = document.createElement("h2");
    title.textContent = plot.title;
    const box = document.createElement("div");
    panel.append(title, box);
    document.getElementById("plots").append(panel);
    drawn.push({ plot, box, chart: null });
  }
  redraw();
  dark.addEventListener("change", redraw);
  addEventListener("resize", () => {
    for (const d of drawn) d.chart.setSize({ width: d.box.clientWidth, height: 260 });
  });
}
