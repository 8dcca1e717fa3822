/** The panels beside the question, in their order. */
import { el, put } from '../dom.ts';
import { choose, settings } from '../settings.ts';
import { accuracy } from './accuracy.ts';
import { agreement } from './agreement.ts';
import { model, rule } from './choosers.ts';
import { counts } from './counts.ts';
import { doubtful } from './doubtful.ts';
import { examples } from './examples.ts';
import { files } from './files.ts';
import { map } from './map.ts';
import { notes } from './notes.ts';
import { outliers } from './outliers.ts';
import type { Context, Panel } from './panel.ts';
import { reliability } from './reliability.ts';

const ALL: Panel[] = [accuracy, notes, doubtful, counts, map, reliability, examples, outliers, agreement, rule, model, files];

export class PanelList {
  readonly element = el('div', { class: 'panels' });
  private readonly frames = ALL.map((panel) => {
    const body = el('div', { class: 'panel-body' });
    const frame = el('details', { class: 'panel', id: `panel-${panel.id}`, hidden: true, open: settings.open[panel.id] ?? panel.open },
      el('summary', {}, el('h2', {}, panel.title)), body);
    frame.addEventListener('toggle', () => {
      if (frame.open === (settings.open[panel.id] ?? panel.open)) return;
      choose({ open: { ...settings.open, [panel.id]: frame.open } });
    });
    return { panel, frame, body };
  });

  constructor() {
    put(this.element, ...this.frames.map(({ frame }) => frame));
  }

  draw(context: Context): void {
    for (const { panel, frame, body } of this.frames) {
      // Whoever is choosing or typing in a panel is not disturbed.
      if (body.contains(document.activeElement) && document.activeElement?.matches('input, .map')) continue;
      const parts = panel.draw(context);
      frame.hidden = parts === null;
      if (parts) put(body, ...parts);
    }
  }
}
