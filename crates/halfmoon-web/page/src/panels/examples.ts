/** What the model makes when it is asked for a class. */
import { el, said } from '../dom.ts';
import { glyph } from '../glyph.ts';
import { t } from '../texts.ts';
import type { Panel } from './panel.ts';

export const examples: Panel = {
  id: 'examples',
  title: t.examples,
  open: false,
  draw: ({ panels, project }) => {
    if (panels.examples.length === 0) return null;
    return panels.examples.map(({ class: k, pictures }) => {
      const name = project.classes[k] ?? String(k);
      return el('div', { class: 'examples' }, el('h3', { class: 'with-glyph' }, glyph(k), said(name)),
        el('div', { class: 'strip' }, ...pictures.map((url) => el('img', { src: url, alt: `${t.generated}: ${name}`, loading: 'lazy', class: 'pixelated' }))));
    });
  },
};
