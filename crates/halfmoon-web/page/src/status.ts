/** The head of the page: what is labelled, how training goes, what waits to be saved, whether the server answers. */
import type { Project, Scan } from './api.ts';
import { el, put, sentence } from './dom.ts';
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
  /** Moved by a transform, which costs the page's own thread nothing while somebody labels. */
  private readonly done = el('span', {});
  private readonly bar = el('div', { class: 'bar-of-steps', role: 'progressbar', 'aria-label': t.training.training, 'aria-valuemin': 0, 'aria-valuemax': 100 }, this.done);
  private readonly words = el('span', {});
  private readonly round = el('span', { class: 'quiet' });
  private readonly spoken = el('span', { class: 'hidden', 'aria-live': 'polite' });
  private state = '';

  constructor() {
    put(this.training, el('span', { class: 'training-words' }, this.words, ' ', this.round), this.bar, this.spoken);
    const words = el('span', {}, t.offline);
    put(this.offline, words, ' ', el('button', { type: 'button', class: 'plain', onclick: () => retry() }, t.tryNow));
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
    set(this.scan, words ?? '');
    this.labelled.hidden = items === 0;
    set(this.labelled, t.labelledOf(labelled, items));
    const isTraining = model.state === 'training';
    this.training.dataset.state = model.state;
    const isYoung = model.state === 'none' || model.state === 'waiting';
    // What it waits for, in the server's words, says more.
    set(this.words, isYoung && model.message ? sentence(model.message) : t.training[model.state]);
    const about = [model.round === null ? null : t.round(model.round), model.labels === null || isTraining ? null : t.fromLabels(model.labels)];
    set(this.round, [about.filter(Boolean).join(', '), isYoung ? '' : model.message].filter(Boolean).join('. '));
    this.bar.hidden = !isTraining;
    if (isTraining) {
      const share = model.steps ? (model.step ?? 0) / model.steps : 0;
      this.done.style.transform = `scaleX(${share})`;
      this.bar.ariaValueNow = String(Math.round(100 * share));
      this.bar.title = t.step(model.step ?? 0, model.steps ?? 0);
    }
    // Only a change of state is read out: steps would never let anybody rest.
    if (this.state && this.state !== model.state) this.spoken.textContent = `${t.training[model.state]} ${this.round.textContent}`;
    this.state = model.state;
  }
}

/** Writes where it changes something: a step of a training is told four times a second. */
function set(element: HTMLElement, words: string): void {
  if (element.textContent !== words) element.textContent = words;
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
