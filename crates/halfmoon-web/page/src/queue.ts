/** The questions that this window holds, pictures decoded, so that the next one shows at once. */
import { api, type Next, Problem, type Question } from './api.ts';
import { Cell } from './cell.ts';
import { keys, readJson, remove, write } from './storage.ts';

/** A question whose picture is there to be shown. */
export interface Ready {
  question: Question;
  picture: HTMLImageElement | null;
  /** Resolves when the picture is decoded, or can't be. */
  decoded: Promise<unknown>;
}

const AHEAD = 8;
/** The server lends a question for three minutes. */
const LEASE = 180_000;

export function ready(question: Question): Ready {
  if (question.content.kind === 'row') return { question, picture: null, decoded: Promise.resolve() };
  const picture = loaded(question.content.url);
  return { question, picture, decoded: arrival(picture) };
}

/** A picture that begins to load. */
export function loaded(url: string): HTMLImageElement {
  const picture = new Image();
  picture.decoding = 'sync';
  picture.src = url;
  return picture;
}

/** Resolves when the picture can be shown, or never will be: a server that is busy or away is asked again. */
export async function arrival(picture: HTMLImageElement): Promise<void> {
  const { src } = picture;
  for (let tries = 0; ; tries++) {
    try {
      return await picture.decode();
    } catch {
      const status = await fetch(src).then((answer) => answer.status, () => 0);
      const isFinal = status >= 400 && status < 500 && status !== 429;
      if (isFinal || (status === 200 && tries > 0)) return;
      await new Promise((resolve) => setTimeout(resolve, Math.min(300 * 2 ** tries, 5000)));
      picture.src = src;
    }
  }
}

export class Queue {
  /** Why there is nothing to ask; null where there is something, or nobody knows yet. */
  readonly waiting = new Cell<string | null>(null);
  /** Called when questions came after there were none. */
  onArrival: () => void = () => undefined;
  onProblem: (problem: Problem) => void = () => undefined;

  private list: Ready[] = [];
  private asking = false;
  private again = false;
  private readonly window = `halfmoon.held.${Math.random().toString(36).slice(2)}`;
  private readonly annotator: () => string;
  private readonly taken: () => number[];
  /** Labelled here: an answer of the server that was under way may still name them. */
  private readonly answered = new Set<number>();

  /** `taken`: the item on the page, and those whose answers are on their way. */
  constructor(annotator: () => string, taken: () => number[]) {
    this.annotator = annotator;
    this.taken = taken;
    setInterval(() => this.tell(), LEASE / 6);
  }

  take(): Ready | undefined {
    const next = this.list.shift();
    void this.fill();
    return next;
  }

  /** The next one again, after an undo or a look elsewhere. */
  putBack(question: Ready): void {
    this.answered.delete(question.question.item);
    this.list = [question, ...this.list.filter((r) => r.question.item !== question.question.item)];
    this.tell();
  }

  done(item: number): void {
    this.answered.add(item);
    this.list = this.list.filter((r) => r.question.item !== item);
  }

  undone(item: number): void {
    this.answered.delete(item);
  }

  get held(): Question[] {
    return this.list.map((r) => r.question);
  }

  /** Asks for what is missing; `fresh`: for all, after a training round. */
  async fill(fresh = false): Promise<void> {
    if (this.asking) {
      this.again ||= fresh;
      return;
    }
    if (!this.annotator() || (!fresh && this.list.length >= AHEAD - 2)) return;
    this.asking = true;
    try {
      await oneWindowAtATime(async () => {
        const kept = fresh ? [] : this.list.map((r) => r.question.item);
        const not = new Set([...this.taken(), ...kept, ...elsewhere(this.window)]);
        this.receive(await api.next(this.annotator(), AHEAD - kept.length, [...not]), fresh);
      });
    } catch (error) {
      if (!(error instanceof Problem)) throw error;
      this.onProblem(error);
    } finally {
      this.asking = false;
    }
    if (this.again) {
      this.again = false;
      await this.fill(true);
    }
  }

  private receive(next: Next, fresh: boolean): void {
    const before = fresh ? [] : this.list;
    // The server's answer may be older than what has been pressed since it was asked.
    const unwanted = new Set([...this.answered, ...this.taken(), ...before.map((r) => r.question.item)]);
    const known = new Map(this.list.map((r) => [r.question.item, r]));
    const arrived = next.questions
      .filter((question) => !unwanted.has(question.item))
      .map((question) => {
        const there = known.get(question.item);
        return there ? { ...there, question } : ready(question);
      });
    // A fresh queue that is empty is no reason to drop what can be asked.
    this.list = fresh && arrived.length === 0 ? this.list : [...before, ...arrived];
    this.waiting.value = this.list.length === 0 ? (next.waiting ?? '') : null;
    this.tell();
    if (this.list.length > 0) this.onArrival();
  }

  /** Tells the other windows of this browser what they need not ask about. */
  private tell(): void {
    const items = [...this.list.map((r) => r.question.item), ...this.taken()];
    write(this.window, JSON.stringify({ items, at: Date.now() }));
  }

  /** The window closes. */
  leave(): void {
    remove(this.window);
  }
}

/** Two windows that ask at once would be lent the same questions, since the person is the same. */
function oneWindowAtATime(work: () => Promise<void>): Promise<void> {
  // Browsers offer locks on https and on this machine only.
  return 'locks' in navigator ? navigator.locks.request('halfmoon.next', work) : work();
}

/** The items that other windows of this browser hold. */
function elsewhere(own: string): number[] {
  return keys('halfmoon.held.').flatMap((key) => {
    if (key === own) return [];
    const held = readJson<{ items: number[]; at: number }>(key);
    if (held && Date.now() - held.at < LEASE) return held.items;
    remove(key);
    return [];
  });
}
