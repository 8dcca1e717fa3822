/** Accuracy with its interval, over the labels: on items drawn at random to judge by. */
import { el, svg } from '../dom.ts';
import { decimal, percent, t, whole } from '../texts.ts';
import { chart, line, ticks } from './charts.ts';
import type { Panel } from './panel.ts';

/** Below this many judged items a figure says nothing. */
const ENOUGH = 5;

export const accuracy: Panel = {
  id: 'accuracy',
  title: t.accuracy,
  open: true,
  draw: ({ panels: { accuracy: { now, curve }, gain } }) => {
    const hint = gain ? el('p', { class: 'gain', dir: 'auto' }, gain) : null;
    if (!now || now.n < ENOUGH) return [el('p', { class: 'quiet' }, t.tooFew(now?.n ?? 0)), hint];
    return [
      el('p', { class: 'figure' }, el('strong', {}, percent(now.accuracy)), ' ', el('span', { class: 'quiet' }, t.interval(percent(now.low), percent(now.high)))),
      el('p', { class: 'quiet' }, t.accuracyNow(now.right, now.n)),
      curve.length > 1 ? drawing(curve) : null,
      hint,
    ];
  },
};

function drawing(curve: { labels: number; accuracy: number; low: number; high: number }[]): SVGSVGElement {
  const last = curve.at(-1)!;
  const most = last.labels;
  const least = Math.min(...curve.map((point) => point.low));
  const floor = Math.max(0, Math.floor(least * 10) / 10);
  const across = { from: 0, to: most, name: t.labelsAxis, ticks: ticks(0, most, 4), write: whole };
  const up = { from: floor, to: 1, name: t.accuracyAxis, ticks: ticks(floor, 1, 4), write: (value: number) => decimal(value, 1) };
  return chart(t.curve(last.labels, percent(last.accuracy)), across, up, ({ x, y }) => {
    const over = curve.map((p): [number, number] => [x(p.labels), y(p.high)]);
    const under = curve.map((p): [number, number] => [x(p.labels), y(p.low)]).reverse();
    return [
      svg('path', { class: 'band', d: `${line([...over, ...under])}z` }),
      svg('path', { class: 'curve', d: line(curve.map((p) => [x(p.labels), y(p.accuracy)])) }),
      svg('circle', { class: 'dot', cx: x(last.labels), cy: y(last.accuracy), r: 3.5 }),
    ];
  });
}
