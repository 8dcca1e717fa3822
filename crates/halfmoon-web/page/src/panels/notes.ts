/** What the server has to say besides. */
import { el } from '../dom.ts';
import { t } from '../texts.ts';
import type { Panel } from './panel.ts';

export const notes: Panel = {
  id: 'notes',
  title: t.notes,
  open: true,
  draw: ({ panels }) => (panels.notes.length === 0 ? null : [el('ul', { class: 'notes' }, ...panels.notes.map((note) => el('li', { dir: 'auto' }, note)))]),
};
