/** The head of the page: what is labelled, how training goes, what waits to be saved, whether the server answers. */
import type { Project, Scan } from './api.ts';
import { el, put } from './dom.ts';
import { online, retry } from './link.ts';
import type { Outbox } from './outbox.ts';
import { isKept } from './storage.ts';
import { t } from './texts.ts';

export class Status {
  readonly labelled = el('span', { class: 'labelled' });
  readonly training = el('span', { class: 'training' });
  /** How far the files are read, while they are. */
  readonly scan = el('span', { class: 'quiet' });
  readonly saved = el('span', { class: 'saved' });
  /** The bar across the page while the server does not answer. */
  readonly offline = el('div', { class: 'offline', role: 'status' });
  private readonly bar = el('progress', { 'aria-label': t.training.training, max: 1, value: 0 });
  private readonly words = el('span', {});
  private readonly round = el('span', { class: 'quiet' });
  private readonly spoken = el('span', { class: 'hidden', 'aria-live': 'polite' });
  private state = '';

  constructor() {
    put(this.training, el('span', { class: 'training-words' }, this.words, ' ', this.round), this.bar, this.spoken);
    const words = el('span', {}, t.offline);
    put(this.offline, words, ' ', el('button', { type: 'button', class: 'plain', onclick: retry }, t.tryNow));
    online.watch((is) => {
      this.offline.hidden = is;
    });
  }

  watch(outbox: Outbox): void {
    outbox.waiting.watch((k) => {
      this.saved.dataset.waiting = String(k);
      this.saved.textContent = k === 0 ? t.allSaved : t.waiting(k);
      this.saved.title = isKept ? '' : t.notKept;
    });
  }

  show({ labelled, items, model, scan }: Project): void {
    const words = scanWords(scan);
    this.scan.hidden = words === null;
    this.scan.textContent = words ?? '';
    this.labelled.textContent = t.labelledOf(labelled, items);
    const isTraining = model.state === 'training';
    this.training.dataset.state = model.state;
    this.words.textContent = t.training[model.state];
    const about = [model.round === null ? null : t.round(model.round), model.labels === null || isTraining ? null : t.fromLabels(model.labels)];
    this.round.textContent = [about.filter(Boolean).join(', '), model.message].filter(Boolean).join('. ');
    this.bar.hidden = !isTraining;
    if (isTraining && model.steps) {
      this.bar.value = (model.step ?? 0) / model.steps;
      this.bar.title = t.step(model.step ?? 0, model.steps);
    } else if (isTraining) {
      this.bar.removeAttribute('value');
    }
    // Only a change of state is read out: steps would never let anybody rest.
    if (this.state && this.state !== model.state) this.spoken.textContent = `${t.training[model.state]} ${this.round.textContent}`;
    this.state = model.state;
  }
}

/** What to say of the scan; null once it is done. */
export function scanWords(scan: Scan): string | null {
  switch (scan.state) {
    case 'listing': return t.scanListing(scan.files);
    case 'reading': return t.scanReading(scan.items, scan.unreadable);
    case 'failed': return [t.scanFailed, scan.message].filter(Boolean).join(': ');
    case 'done': return null;
  }
}
