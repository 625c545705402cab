// What the server counts: read every two seconds, kept as rates.

import { metrics } from "./api.js";

const LINE = /^([a-z_]+)(?:\{(.*)\})? (\S+)$/;

/** The text of OpenMetrics as `{name: [{labels, value}]}`. */
export function parse(text) {
  const found = {};
  for (const line of text.split("\n")) {
    const match = LINE.exec(line);
    if (!match) continue;
    const labels = Object.fromEntries([...(match[2] ?? "").matchAll(/([a-z_]+)="([^"]*)"/g)].map((pair) => [pair[1], pair[2]]));
    (found[match[1]] ??= []).push({ labels, value: Number(match[3]) });
  }
  return found;
}

const fits = (labels, wanted) => Object.entries(wanted).every(([name, value]) => labels[name] === value);

/** The sum of a metric's series. */
export function sum(figures, name, wanted = {}) {
  const series = (figures[name] ?? []).filter(({ labels }) => fits(labels, wanted));
  return series.reduce((total, { value }) => total + value, 0);
}

/** Two readings, one after the other. */
export class Pair {
  async read() {
    const [now, figures] = [performance.now() / 1000, parse(await metrics())];
    this.before = this.last;
    this.last = { now, figures };
    return this;
  }

  value(name, wanted) {
    return sum(this.last.figures, name, wanted);
  }

  /** By the second, since the reading before. */
  rate(name, wanted) {
    if (!this.before) return null;
    const [was, is] = [this.before, this.last].map(({ figures }) => sum(figures, name, wanted));
    return is < was ? null : (is - was) / (this.last.now - this.before.now);
  }

  /** Below what so large a part of a histogram was, since the reading before. */
  quantile(name, part, wanted = {}) {
    if (!this.before) return null;
    const of = ({ figures }) =>
      (figures[`${name}_bucket`] ?? []).filter(({ labels }) => fits(labels, wanted)).reduce((all, { labels, value }) => {
        all[labels.le] = (all[labels.le] ?? 0) + value;
        return all;
      }, {});
    const [was, is] = [of(this.before), of(this.last)];
    const buckets = Object.keys(is).map((le) => [le === "+Inf" ? Infinity : Number(le), is[le] - (was[le] ?? 0)]);
    buckets.sort(([a], [b]) => a - b);
    const total = buckets.at(-1)?.[1] ?? 0;
    if (total <= 0) return null;
    const index = buckets.findIndex(([, count]) => count >= part * total);
    const [low, below] = index > 0 ? buckets[index - 1] : [0, 0];
    const [high, upTo] = buckets[index];
    return high === Infinity ? low : low + ((high - low) * (part * total - below)) / Math.max(upTo - below, 1);
  }
}
