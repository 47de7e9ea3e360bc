// Three charts of 15 minutes on one time axis, drawn by uPlot.

import { byId, h, sync, text } from "./dom.js";
import { percent, rate, short } from "./format.js";

const WINDOW_SECONDS = 900;
const LEAST_SECONDS = 120;
const GAP_SECONDS = 3.5;
const RHYTHM_SECONDS = 12; // writes that are further apart than this are not joined by a line
const SERIES = 4;

export class Charts {
  constructor() {
    this.sinks = [];
    this.columns = null;
    this.plots = [];
    new ResizeObserver(() => this.resize()).observe(byId("chart-rate"));
  }

  /** Start with all points that the agent remembers. */
  load({ time_seconds, records_per_second, fill_pct, write_seconds }) {
    this.sinks = Object.keys(fill_pct);
    this.columns = { time: [], rate: [], fill: this.sinks.map(() => []), write: this.sinks.map(() => []) };
    time_seconds.forEach((time, index) => {
      this.leaveGap(time);
      this.push(time, records_per_second[index], (sink) => fill_pct[sink][index], (sink) => write_seconds[sink][index]);
    });
    this.draw();
  }

  /** Where nothing was measured there is a gap, not a line: the page was not connected, or the agent stood still. */
  leaveGap(time) {
    const last = this.columns.time.at(-1);
    if (time - last > GAP_SECONDS) this.push(last + 1, null, () => null, () => null);
  }

  /** Add the newest point. */
  add(point, average) {
    if (!this.columns || !point) return;
    const { time, rate: rates, fill, write } = this.columns;
    const last = time[time.length - 1];
    if (point.time_seconds <= last) return;
    this.leaveGap(point.time_seconds);
    this.push(point.time_seconds, point.records_per_second, (sink) => point.fill_pct[sink] ?? null, (sink) => point.write_seconds[sink] ?? null);
    while (time.length > WINDOW_SECONDS + 60) [time, rates, ...fill, ...write].forEach((column) => column.shift());
    this.show(point, average);
    if (!this.plots.length) this.draw();
    else this.plots.forEach((plot, index) => plot.setData(this.data(index)));
  }

  /** 15 minutes, or less while the agent is young: a line squeezed into a corner shows nothing. */
  window() {
    const now = Math.max(Date.now() / 1000, this.columns.time.at(-1) ?? 0);
    const age = now - (this.columns.time[0] ?? now);
    return [now - Math.min(WINDOW_SECONDS, Math.max(LEAST_SECONDS, age)), now];
  }

  push(time, rates, fill, write) {
    this.columns.time.push(time);
    this.columns.rate.push(rates);
    this.sinks.forEach((sink, index) => {
      this.columns.fill[index].push(fill(sink));
      this.columns.write[index].push(write(sink));
    });
  }

  show(point, average) {
    text(byId("now-rate"), rate(average));
    this.keys("now-fill", (sink) => percent(point.fill_pct[sink] ?? 0));
    this.keys("now-write", (sink) => short(point.write_seconds[sink]));
  }

  /** The current number of each sink, with its colour when there are several. */
  keys(id, value) {
    const several = this.sinks.length > 1;
    sync(
      byId(id),
      this.sinks,
      (sink) => sink,
      (sink) => h("span", { class: "key" }, several ? h("i", { class: `swatch-${(this.sinks.indexOf(sink) % SERIES) + 1}` }) : null, h("span")),
      (element, sink) => text(element.lastChild, several ? `${sink} ${value(sink)}` : value(sink)),
    );
    byId(id).querySelectorAll("i").forEach((swatch, index) => (swatch.style.background = colour(`--series-${(index % SERIES) + 1}`)));
  }

  data(index) {
    const { time, rate: rates, fill, write } = this.columns;
    return [time, ...(index === 0 ? [rates] : index === 1 ? fill : write.map((column) => bridged(time, column)))];
  }

  /** Make the plots: at the start, and again when the colours change. */
  draw() {
    if (!this.columns) return;
    this.plots.forEach((plot) => plot.destroy());
    const bottom = { rate: [0, 1], fill: [0, 10], write: [0, 0.005] };
    this.plots = [
      this.plot("chart-rate", 0, bottom.rate, (value) => rate(value)),
      this.plot("chart-fill", 1, bottom.fill, (value) => `${value} %`),
      this.plot("chart-write", 2, bottom.write, (value) => short(value)),
    ];
  }

  plot(id, index, [, least], label) {
    const element = byId(id);
    const line = colour("--line");
    const font = `${Math.round(parseFloat(getComputedStyle(document.documentElement).fontSize) * 0.75)}px ${getComputedStyle(document.body).fontFamily}`;
    const axis = { stroke: colour("--muted"), font, grid: { stroke: line, width: 1 }, ticks: { show: false } };
    const series = index === 0 ? [""] : this.sinks;
    return new uPlot(
      {
        width: element.clientWidth || 300,
        height: element.clientHeight || 160,
        padding: [8, 30, 0, 0],
        cursor: { sync: { key: "agent" }, y: false, points: { size: 7 }, drag: { x: false, y: false } },
        scales: {
          x: { time: true, range: () => this.window() },
          y: { range: (_, low, high) => [0, Math.max(least, (high ?? 0) * 1.15)] },
        },
        axes: [
          { ...axis, grid: { show: false }, space: 70, size: 26, values: times },
          { ...axis, size: 62, space: 34, values: (_, ticks) => ticks.map(label) },
        ],
        series: [
          {},
          ...series.map((name, number) => {
            const stroke = colour(`--series-${(number % SERIES) + 1}`);
            return { label: name, stroke, width: 1.8, fill: series.length === 1 ? fade(stroke) : undefined, points: { show: index === 2 ? lonely : false, size: 4, fill: stroke }, spanGaps: false };
          }),
        ],
      },
      this.data(index),
      element,
    );
  }

  resize() {
    for (const [index, id] of ["chart-rate", "chart-fill", "chart-write"].entries()) {
      this.plots[index]?.setSize({ width: byId(id).clientWidth, height: byId(id).clientHeight });
    }
  }
}

/** Writes of a slow rhythm make a line, an outage makes a gap: undefined is passed over by the line, null is not. */
function bridged(time, column) {
  const found = [...column];
  let last = -1;
  column.forEach((value, index) => {
    if (value == null) return;
    if (last >= 0 && time[index] - time[last] <= RHYTHM_SECONDS) found.fill(undefined, last + 1, index);
    last = index;
  });
  return found;
}

/** Points are drawn only where no line goes: a single write between two gaps. */
function lonely(plot, series) {
  const values = plot.data[series];
  const drawn = (step) => (index) => {
    let at = index + step;
    while (at >= 0 && at < values.length && values[at] === undefined) at += step;
    return values[at] != null;
  };
  return values.some((value, index) => value != null && !drawn(-1)(index) && !drawn(1)(index));
}

const colour = (name) => getComputedStyle(document.documentElement).getPropertyValue(name).trim();
const fade = (stroke) => `${stroke}22`;
const HOUR = { hour: "2-digit", minute: "2-digit", hour12: false };

/** The time at each tick, with seconds only where ticks are closer than a minute. */
function times(_, ticks) {
  const format = ticks.length > 1 && ticks[1] - ticks[0] < 60 ? { ...HOUR, second: "2-digit" } : HOUR;
  return ticks.map((seconds) => new Date(seconds * 1000).toLocaleTimeString([], format));
}
