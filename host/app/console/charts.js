// Lines over time.

import uPlot from "./vendor/uplot.js";
import { h } from "./dom.js";

/** Points that are kept: six minutes of one every two seconds. */
const KEPT = 180;
/** Seconds that are shown. */
const SHOWN = 360;
const COLORS = ["--one", "--two", "--three", "--four"];

const color = (name) => getComputedStyle(document.documentElement).getPropertyValue(name).trim();

/** A chart with a line for each name. `show` writes values. The last values are text, too, for those who do not see the chart. */
export class Chart {
  constructor(title, names, show) {
    this.names = names;
    this.show = show;
    this.data = [[], ...names.map(() => [])];
    this.now = names.map((name) => h("b", {}, "–"));
    const swatch = (index) => {
      const svg = document.createElementNS("http://www.w3.org/2000/svg", "svg");
      svg.setAttribute("viewBox", "0 0 10 10");
      svg.setAttribute("aria-hidden", "true");
      const box = document.createElementNS("http://www.w3.org/2000/svg", "rect");
      box.setAttribute("width", "10");
      box.setAttribute("height", "10");
      box.setAttribute("fill", `var(${COLORS[index]})`);
      svg.append(box);
      return svg;
    };
    this.place = h("div", { "aria-hidden": "true" });
    this.element = h(
      "section",
      { class: "card" },
      h("h3", {}, title),
      h("ul", { class: "legend" }, names.map((name, index) => h("li", {}, swatch(index), `${name} `, this.now[index]))),
      this.place,
    );
    this.resizer = new ResizeObserver(() => this.plot?.setSize({ width: this.place.clientWidth, height: 160 }));
    this.resizer.observe(this.place);
  }

  /** Adds a value for each line; null where there is none. */
  add(time, values) {
    this.data[0].push(time);
    values.forEach((value, index) => {
      this.data[index + 1].push(value);
      this.now[index].textContent = value == null ? "–" : this.show(value);
    });
    if (this.data[0].length > KEPT) this.data.forEach((line) => line.shift());
    if (!this.element.isConnected) return;
    if (this.plot) this.plot.setData(this.data);
    else this.draw();
  }

  /** Draws it anew: it is shown again, or the colors have changed. */
  draw() {
    this.plot?.destroy();
    const axis = { stroke: color("--soft"), grid: { stroke: color("--line"), width: 1 }, ticks: { stroke: color("--line"), width: 1 } };
    const options = {
      width: this.place.clientWidth || 300,
      height: 160,
      legend: { show: false },
      cursor: { show: false },
      scales: { x: { range: (_, low, high) => [(high ?? Date.now() / 1000) - SHOWN, high ?? Date.now() / 1000] }, y: { range: (_, low, high) => [0, Math.max(high ?? 0, 1e-9) * 1.1] } },
      axes: [axis, { ...axis, size: 64, values: (_, values) => values.map(this.show) }],
      series: [{}, ...this.names.map((name, index) => ({ label: name, stroke: color(COLORS[index]), width: 2, points: { show: false } }))],
    };
    this.plot = new uPlot(options, this.data, this.place);
  }
}
