/** Labels that the model, which did not learn from them, holds for wrong. */
import { el } from '../dom.ts';
import { percent, t } from '../texts.ts';
import { itemList } from './items.ts';
import type { Panel } from './panel.ts';

const FIRST = 8;

export const doubtful: Panel = {
  id: 'doubtful',
  title: t.doubtful,
  open: true,
  draw: (context) => {
    const found = context.panels.doubtful;
    if (found.length === 0) return null;
    const name = (k: number): string => context.project.classes[k] ?? String(k);
    const rows = found.slice(0, FIRST).map((d) => ({ item: d.item, words: t.doubtfulRow(d.item, name(d.class), name(d.likeliest), percent(d.confidence)) }));
    return [itemList(rows, context), el('button', { type: 'button', class: 'plain', onclick: context.review }, t.reviewAll)];
  },
};
