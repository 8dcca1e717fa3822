/** A list of items to click: a thumbnail and a sentence each. */
import { thumbnail } from '../api.ts';
import { el } from '../dom.ts';
import type { Context } from './panel.ts';

export function itemList(items: { item: number; words: string }[], { project, open }: Context): HTMLElement {
  return el('ul', { class: 'items' }, ...items.map(({ item, words }) => el('li', {},
    el('button', { type: 'button', class: 'item-row', onclick: () => open(item) },
      project.kind === 'pictures' ? el('img', { src: thumbnail(item, 96), alt: '', loading: 'lazy', width: 40, height: 40 }) : null,
      el('span', { dir: 'auto' }, words)))));
}
