/** How far people agree who labelled the same items. */
import { el, said } from '../dom.ts';
import { decimal, t, whole } from '../texts.ts';
import type { Panel } from './panel.ts';

export const agreement: Panel = {
  id: 'agreement',
  title: t.agreement,
  open: false,
  draw: ({ panels: { agreement: found } }) => {
    if (found.annotators.length < 2) return null;
    const words = found.items === 0 || found.alpha === null ? t.agreementNone : t.agreementOf(decimal(found.alpha), found.items);
    const people = found.annotators.map(({ name, labels, agree, n }) => el('tr', {},
      el('th', { scope: 'row' }, said(name)), el('td', {}, whole(labels)), el('td', {}, n === 0 ? '–' : `${whole(agree)} / ${whole(n)}`)));
    const pairs = found.pairs.map(({ first, second, items, kappa }) => el('tr', {},
      el('th', { scope: 'row' }, said(first), ', ', said(second)), el('td', {}, whole(items)), el('td', {}, kappa === null ? '–' : `κ ${decimal(kappa)}`)));
    return [
      el('p', {}, words),
      table([t.person, t.labelsOf, t.agrees], people),
      pairs.length > 0 ? table([t.pair, t.labelsOf, t.agrees], pairs) : null,
    ];
  },
};

function table(head: string[], rows: HTMLElement[]): HTMLElement {
  return el('table', {}, el('thead', {}, el('tr', {}, ...head.map((name) => el('th', { scope: 'col' }, name)))), el('tbody', {}, ...rows));
}
