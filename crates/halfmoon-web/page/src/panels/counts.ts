/** How many items of each class are labelled, and how many the model takes for it. */
import { el, said } from '../dom.ts';
import { glyph } from '../glyph.ts';
import { percent, t, whole } from '../texts.ts';
import type { Panel } from './panel.ts';

const FIRST = 12;
let all = false;

export const counts: Panel = {
  id: 'counts',
  title: t.counts,
  open: true,
  draw: ({ panels: { classes } }) => {
    if (classes.length === 0) return [el('p', { class: 'quiet' }, t.noClasses)];
    const most = { labelled: Math.max(1, ...classes.map((c) => c.labelled)), predicted: Math.max(1e-9, ...classes.map((c) => c.predicted ?? 0)) };
    const isPredicted = classes.some((c) => c.predicted !== null && c.predicted > 0);
    // Of many classes the frequent ones come first.
    const order = classes.map((c, k) => ({ ...c, k })).sort((a, b) => (classes.length <= FIRST ? 0 : b.labelled - a.labelled || (b.predicted ?? 0) - (a.predicted ?? 0)));
    const rows = order.map(({ name, labelled, predicted, k }, place) => el('tr', { hidden: !all && place >= FIRST },
      el('th', { scope: 'row' }, el('span', { class: 'with-glyph' }, glyph(k), said(name))),
      bar(labelled / most.labelled, whole(labelled), 'labelled'), isPredicted ? bar((predicted ?? 0) / most.predicted, percent(predicted ?? 0), 'predicted') : null));
    const more = el('button', { type: 'button', class: 'link', hidden: all || classes.length <= FIRST, onclick: () => {
      all = true;
      more.hidden = true;
      for (const row of rows) row.hidden = false;
    } }, t.others(classes.length));
    return [
      el('table', { class: 'counts' },
        el('thead', {}, el('tr', {}, el('th', { scope: 'col' }, t.classes), el('th', { scope: 'col' }, t.labelledCount), isPredicted ? el('th', { scope: 'col' }, t.predictedCount) : null)),
        el('tbody', {}, ...rows)),
      more,
    ];
  },
};

/** A bar of this share of the longest one's length. */
function bar(share: number, value: string, kind: string): HTMLElement {
  const length = el('span', { class: `bar ${kind}`, 'aria-hidden': 'true' });
  length.style.inlineSize = `${100 * share}%`;
  return el('td', {}, el('span', { class: 'number' }, value), el('span', { class: 'track', 'aria-hidden': 'true' }, length));
}
