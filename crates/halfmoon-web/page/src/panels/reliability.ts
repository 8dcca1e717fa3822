/** Accuracy against confidence: on the diagonal the model is as sure as it is right. */
import { el, svg } from '../dom.ts';
import { decimal, t } from '../texts.ts';
import { chart, line } from './charts.ts';
import type { Panel } from './panel.ts';

export const reliability: Panel = {
  id: 'reliability',
  title: t.reliability,
  open: false,
  draw: ({ panels: { reliability: found } }) => {
    if (!found) return null;
    const words = t.reliabilityOf(found.ece === null ? '–' : decimal(found.ece, 3), found.n);
    const most = Math.max(1, ...found.bins.map((bin) => bin.n));
    const axis = { from: 0, to: 1, ticks: [0, 0.25, 0.5, 0.75, 1], write: (value: number) => decimal(value, 2) };
    const bins = found.bins.filter((bin) => bin.n > 0);
    const drawing = chart(words, { ...axis, name: t.confidenceAxis }, { ...axis, name: t.accuracyAxis }, ({ x, y }) => [
      svg('path', { class: 'diagonal', d: line([[x(0), y(0)], [x(1), y(1)]]) }),
      ...bins.map((bin) => svg('line', { class: 'gap', x1: x(bin.confidence), x2: x(bin.confidence), y1: y(bin.confidence), y2: y(bin.accuracy) })),
      ...bins.map((bin) => svg('circle', { class: 'dot', cx: x(bin.confidence), cy: y(bin.accuracy), r: 2.5 + 4.5 * Math.sqrt(bin.n / most) })),
    ]);
    return [drawing, el('p', { class: 'quiet' }, `${words} ${t.reliabilityHelp}`)];
  },
};
