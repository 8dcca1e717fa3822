/** A row of a table as a card: the first columns, those that a person pinned before them, and a search. */
import type { Row } from './api.ts';
import { el, put, said } from './dom.ts';
import { choose, settings } from './settings.ts';
import { t } from './texts.ts';

const FIRST = 12;

/** What was typed and unfolded stays from item to item. */
let wanted = '';
let unfolded = false;

export function rowCard(row: Row): HTMLElement {
  const list = el('dl', { class: 'cells' });
  const more = el('button', { type: 'button', class: 'link', onclick: () => { unfolded = true; draw(); } });
  const draw = (): void => {
    const chosen = choice(row);
    const shown = unfolded || wanted ? chosen : chosen.slice(0, FIRST);
    put(list, ...shown.map(({ column, value }) => cell(column, value, draw)));
    more.hidden = shown.length === chosen.length;
    more.textContent = t.more(chosen.length - shown.length);
  };
  draw();
  const search = row.cells.length > FIRST
    ? el('input', { type: 'search', class: 'search', placeholder: t.searchColumn, 'aria-label': t.searchColumn, value: wanted, oninput: (event: Event) => { wanted = (event.target as HTMLInputElement).value; draw(); } })
    : null;
  return el('div', { class: 'card', tabindex: 0, role: 'group', 'aria-label': t.columns }, search, list, more);
}

function choice(row: Row): Row['cells'] {
  const pinned = (column: string): number => (settings.pinned.includes(column) ? 0 : 1);
  const words = wanted.trim().toLowerCase();
  return row.cells
    .filter(({ column, value }) => !words || column.toLowerCase().includes(words) || (value ?? '').toLowerCase().includes(words))
    .sort((a, b) => pinned(a.column) - pinned(b.column));
}

function cell(column: string, value: string | null, draw: () => void): HTMLElement {
  const isPinned = settings.pinned.includes(column);
  const pin = el('button', {
    type: 'button', class: 'pin', 'aria-pressed': String(isPinned), 'aria-label': t.pin(column), title: t.pin(column),
    onclick: () => {
      choose({ pinned: isPinned ? settings.pinned.filter((name) => name !== column) : [...settings.pinned, column] });
      draw();
    },
  }, isPinned ? '★' : '☆');
  const shown = value === null ? el('span', { class: 'quiet' }, t.missing) : said(value, 'span');
  return el('div', { class: value !== null && value.length > 60 ? 'cell wide' : 'cell' }, el('dt', {}, said(column), pin), el('dd', {}, shown));
}
