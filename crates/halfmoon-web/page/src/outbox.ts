/**
 * Answers on their way to the server. Each lies in localStorage under a name of its own from the click until the server
 * has acknowledged it, so a reload, a crash or a second window loses none; sending one twice does no harm, since the
 * server knows the key of the click.
 */
import { type Answer, api, type GeneratedAnswer, Problem, type Undone } from './api.ts';
import { Cell } from './cell.ts';
import { keys, read, remove, write } from './storage.ts';

export type Letter = { at: number; /** The item's id, to tell one project's item 17 from another's. */ id: string } & (
  | { kind: 'label' | 'skip'; body: Answer }
  | { kind: 'undo'; body: { annotator: string; key: string } }
  | { kind: 'generated'; body: GeneratedAnswer }
);

export type Delivered = (letter: Letter, answer: unknown) => void;
export type Refused = (letter: Letter, problem: Problem) => void;

/** What sends a letter; tests put their own in. */
export type Post = (letter: Letter) => Promise<unknown>;

/** Milliseconds for which the letters of another window are left to it. */
const STRANGE = 15_000;
const LONGEST_PAUSE = 15_000;

export class Outbox {
  /** How many wait. */
  readonly waiting = new Cell(0);

  private readonly prefix: string;
  private readonly mine = new Set<string>();
  /** There when the page was loaded: mostly this window's own, from before a reload. They go before whatever is clicked next. */
  private readonly inherited: Set<string>;
  private sending = false;
  private tries = 0;
  private latest = 0;
  private timer: ReturnType<typeof setTimeout> | undefined;
  private readonly delivered: Delivered;
  private readonly refused: Refused;
  private readonly post: Post;
  /** Letters that an earlier page or another window left. */
  private readonly adopted: (letter: Letter) => Promise<boolean>;

  constructor(project: string, delivered: Delivered, refused: Refused, post: Post = send, adopted = isSameItem) {
    this.prefix = `halfmoon.outbox.${project}.`;
    this.delivered = delivered;
    this.refused = refused;
    this.post = post;
    this.adopted = adopted;
    this.inherited = new Set(this.letters().map((letter) => letter.body.key));
    this.count();
  }

  add(letter: Letter): void {
    // The order of the clicks, also of two within a millisecond.
    letter.at = this.latest = Math.max(letter.at, this.latest + 0.001);
    this.mine.add(letter.body.key);
    write(this.prefix + letter.body.key, JSON.stringify(letter));
    this.count();
    void this.flush();
  }

  /** The items with a label or a skip on its way. */
  items(): number[] {
    return this.letters().flatMap((letter) => (letter.kind === 'label' || letter.kind === 'skip' ? [letter.body.item] : []));
  }

  /** Counts again, after another window sent or added something. */
  count(): void {
    const n = keys(this.prefix).length;
    if (n !== this.waiting.value) this.waiting.value = n;
  }

  /** Sends all that waits, in the order of the clicks, one after another. Returns when nothing is left or one failed. */
  async flush(now = Date.now): Promise<void> {
    if (this.sending) return;
    this.sending = true;
    clearTimeout(this.timer);
    try {
      for (let letter = this.first(now()); letter; letter = this.first(now())) await this.deliver(letter);
      this.tries = 0;
      // What is left is another window's: looked at again when it has had its time.
      if (this.waiting.value > 0) this.timer = setTimeout(() => void this.flush(), STRANGE);
    } catch (error) {
      if (!(error instanceof Problem)) throw error;
      this.pause();
    } finally {
      this.sending = false;
    }
  }

  private async deliver(letter: Letter): Promise<void> {
    const { key } = letter.body;
    try {
      if (!this.mine.has(key) && !(await this.adopted(letter))) {
        throw new Problem(409, letter.id, 'item');
      }
      const answer = await this.post(letter);
      this.drop(key);
      this.delivered(letter, answer);
    } catch (error) {
      if (!(error instanceof Problem) || error.passes) throw error;
      this.drop(key);
      this.refused(letter, error);
    }
  }

  private drop(key: string): void {
    remove(this.prefix + key);
    this.mine.delete(key);
    this.count();
  }

  /** Tries again after 1, 2, 4, 8, then each 15 seconds. */
  private pause(): void {
    const wait = Math.min(1000 * 2 ** this.tries, LONGEST_PAUSE);
    this.tries += 1;
    this.timer = setTimeout(() => void this.flush(), wait);
  }

  private first(now: number): Letter | undefined {
    return this.letters().find(({ at, body: { key } }) => this.mine.has(key) || this.inherited.has(key) || now - at > STRANGE);
  }

  private letters(): Letter[] {
    const found = keys(this.prefix).flatMap((key) => {
      try {
        const letter = JSON.parse(read(key) ?? 'null') as Letter | null;
        return letter ? [letter] : [];
      } catch {
        return [];
      }
    });
    return found.sort((a, b) => a.at - b.at);
  }
}

function send(letter: Letter): Promise<Undone | unknown> {
  switch (letter.kind) {
    case 'label': return api.label(letter.body);
    case 'skip': return api.skip(letter.body);
    case 'undo': return api.undo(letter.body.annotator, letter.body.key);
    case 'generated': return api.answerGenerated(letter.body);
  }
}

/** Whether the item still is the one that was answered: another project may run at this address by now. */
async function isSameItem(letter: Letter): Promise<boolean> {
  if (letter.kind !== 'label' && letter.kind !== 'skip') return true;
  const question = await api.item(letter.body.item, letter.body.annotator);
  return question.id === letter.id;
}

/** A fresh key for a click: 32 hex digits. */
export function newKey(): string {
  return Array.from(crypto.getRandomValues(new Uint8Array(16)), (byte) => byte.toString(16).padStart(2, '0')).join('');
}
