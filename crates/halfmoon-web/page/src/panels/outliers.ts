/** Items that look like no other: broken pictures, strangers, things between the classes. */
import { decimal, t } from '../texts.ts';
import { itemList } from './items.ts';
import type { Panel } from './panel.ts';

const FIRST = 12;

export const outliers: Panel = {
  id: 'outliers',
  title: t.outliers,
  open: false,
  draw: (context) => {
    const found = context.panels.outliers;
    return found.length === 0 ? null : [itemList(found.slice(0, FIRST).map(({ item, p }) => ({ item, words: t.outlier(item, p === null ? '–' : decimal(p, 3)) })), context)];
  },
};
