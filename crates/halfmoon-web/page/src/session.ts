/** What is on the page, what was before it, and what a key press makes of it. */
import { api, type Doubtful, type Generated, Problem, type Question, type Shown, type Undone } from './api.ts';
import { Cell } from './cell.ts';
import { type Letter, newKey, Outbox } from './outbox.ts';
import { arrival, loaded, Queue, ready, type Ready } from './queue.ts';
import { settings } from './settings.ts';

/** The view: questions of the queue, labels to look at again, pictures that the model made. */
export type View = 'label' | 'review' | 'generated';

/** Something to answer. `visit`: opened from a panel, or gone back to. */
export type Task =
  | { kind: 'ask' | 'visit'; on: Ready }
  | { kind: 'review'; on: Ready; doubt: Doubtful; k: number; n: number }
  | { kind: 'generated'; made: Generated; picture: HTMLImageElement; decoded: Promise<unknown> };

export type QuestionTask = Exclude<Task, { kind: 'generated' }>;
export type GeneratedTask = Extract<Task, { kind: 'generated' }>;

/** An answer that was given; a null class is a skip. */
export interface Given {
  task: Task;
  class: number | null | 'refused';
}

export type Trouble = { kind: 'refused'; problem: Problem } | { kind: 'problem'; problem: Problem } | { kind: 'undone'; id: string } | { kind: 'nothing to undo' };

export class Session {
  readonly view = new Cell<View>('label');
  readonly task = new Cell<Task | null>(null);
  readonly last = new Cell<Given | null>(null);
  readonly labelled = new Cell<number | null>(null);
  /** Why the view has nothing to show. */
  readonly empty = new Cell<string | null>(null);
  readonly outbox: Outbox;
  readonly queue: Queue;

  private given: Given[] = [];
  /** How far `b` has gone back; the length of `given` is the present. */
  private place = 0;
  /** The question that a look elsewhere interrupted. */
  private parked: Ready | null = null;
  private since = performance.now();
  private reviews: Doubtful[] = [];
  private reviewsAtFirst = 0;
  private made: Generated[] = [];
  private readonly expected = new Map<string, Given | null>();
  private readonly trouble: (trouble: Trouble) => void;

  constructor(project: string, trouble: (trouble: Trouble) => void) {
    this.trouble = trouble;
    this.outbox = new Outbox(project, (letter, answer) => this.delivered(letter, answer), (letter, problem) => this.wasRefused(letter, problem));
    this.queue = new Queue(() => settings.annotator, () => [...this.onPage(), ...this.outbox.items()]);
    this.queue.onArrival = () => {
      if (this.view.value === 'label' && !this.task.value) this.next();
    };
    this.queue.onProblem = (problem) => {
      if (!problem.passes) this.trouble({ kind: 'problem', problem });
    };
  }

  /** The next task of the view. */
  next(): void {
    switch (this.view.value) {
      case 'label': {
        const on = this.parked ?? this.queue.take();
        this.parked = null;
        this.show(on ? { kind: 'ask', on } : null);
        break;
      }
      case 'review': return void this.nextReview();
      case 'generated': return void this.nextGenerated();
    }
  }

  /** Gives the task a class. */
  label(chosen: number): void {
    const task = this.task.value;
    if (!task) return;
    if (task.kind === 'generated') this.answerGenerated(task, chosen);
    else this.answer(task, chosen);
  }

  skip(): void {
    const task = this.task.value;
    if (!task) return;
    if (task.kind === 'generated') return this.answerGenerated(task, null);
    // Nothing is said of an item by passing on from a look at it.
    if (task.kind === 'ask') this.answer(task, null);
    else this.forward();
  }

  refuse(): void {
    const task = this.task.value;
    if (task?.kind === 'generated') this.answerGenerated(task, 'refused');
  }

  /** Confirms what stands: in a review the label, elsewhere it goes on. */
  keep(): void {
    const task = this.task.value;
    if (task?.kind === 'review') this.answer(task, task.doubt.class);
    else if (task?.kind === 'visit') this.forward();
  }

  /** Takes the last answer back, and shows its item again. */
  undo(): void {
    const undone = this.given.pop() ?? null;
    this.place = this.given.length;
    if (undone?.task.kind === 'generated') this.askGenerated(undone.task);
    else if (undone) this.ask(undone.task.on);
    this.last.value = this.given.at(-1) ?? null;
    const body = { annotator: settings.annotator, key: newKey() };
    this.expected.set(body.key, undone);
    this.outbox.add({ at: Date.now(), id: '', kind: 'undo', body });
  }

  /** Goes back to what was answered before. */
  back(): void {
    if (this.view.value !== 'label') return;
    const at = this.given.findLastIndex((given, k) => k < this.place && given.task.kind !== 'generated');
    const before = this.given[at];
    if (!before || before.task.kind === 'generated' || before.class === 'refused') return;
    const { on } = before.task;
    const others = on.question.labels.filter(({ annotator }) => annotator !== settings.annotator);
    this.park();
    this.place = at;
    this.show({ kind: 'visit', on: { ...on, question: { ...on.question, labels: [...others, { annotator: settings.annotator, class: before.class }] } } });
  }

  /** Returns to the present question. */
  forward(): void {
    this.place = this.given.length;
    this.next();
  }

  /** Opens any item. */
  async visit(item: number): Promise<void> {
    try {
      const on = ready(await api.item(item, settings.annotator));
      await on.decoded;
      this.park();
      if (this.view.value !== 'label') this.view.value = 'label';
      this.show({ kind: 'visit', on });
    } catch (problem) {
      this.report(problem);
    }
  }

  go(view: View): void {
    if (view === this.view.value) return this.task.value?.kind === 'visit' ? this.forward() : undefined;
    this.park();
    this.view.value = view;
    this.empty.value = null;
    this.show(null);
    if (view === 'review') void this.beginReview();
    else this.next();
  }

  /** What the page holds when it is left: the question it shows, then those ahead. */
  get questions(): Question[] {
    const task = this.task.value;
    const present = this.parked ?? (task?.kind === 'ask' ? task.on : null);
    return [...(present ? [present.question] : []), ...this.queue.held];
  }

  /** The label that the page's person gave. */
  static own(question: Question): number | null {
    return question.labels.findLast(({ annotator }) => annotator === settings.annotator)?.class ?? null;
  }

  /** Begins with the questions that an earlier page held. */
  resume(questions: Question[]): void {
    const taken = new Set(this.outbox.items());
    for (const question of questions.filter((q) => !taken.has(q.item)).reverse()) this.queue.putBack(ready(question));
    this.next();
  }

  private answer(task: QuestionTask, chosen: number | null): void {
    const { question } = task.on;
    this.remember({ task, class: chosen });
    this.queue.done(question.item);
    const seconds = Math.round((performance.now() - this.since) / 10) / 100;
    const body = { annotator: settings.annotator, key: newKey(), item: question.item, seconds, shown: shown(question) };
    this.next();
    const letter = { at: Date.now(), id: question.id };
    this.outbox.add(chosen === null ? { ...letter, kind: 'skip', body } : { ...letter, kind: 'label', body: { ...body, class: chosen } });
  }

  private answerGenerated(task: GeneratedTask, chosen: number | null | 'refused'): void {
    this.remember({ task, class: chosen });
    const body = { annotator: settings.annotator, key: newKey(), number: task.made.number, class: chosen };
    this.outbox.add({ at: Date.now(), id: '', kind: 'generated', body });
    this.next();
  }

  private remember(given: Given): void {
    this.given.push(given);
    this.place = this.given.length;
    this.last.value = given;
  }

  /** The picture again whose answer is undone, and the present one after it. */
  private askGenerated(task: GeneratedTask): void {
    if (this.task.value?.kind === 'generated') this.made.unshift(this.task.value.made);
    this.park();
    if (this.view.value !== 'generated') this.view.value = 'generated';
    this.show(task);
  }

  /** Makes it the present question, and the present one the next after it. */
  private ask(on: Ready): void {
    const present = this.parked ?? (this.task.value?.kind === 'ask' ? this.task.value.on : null);
    this.parked = null;
    if (present) this.queue.putBack(present);
    this.queue.undone(on.question.item);
    if (this.view.value !== 'label') this.view.value = 'label';
    this.show({ kind: 'ask', on });
  }

  private park(): void {
    if (this.task.value?.kind === 'ask') this.parked = this.task.value.on;
  }

  private show(task: Task | null): void {
    this.since = performance.now();
    this.task.value = task;
  }

  private onPage(): number[] {
    const task = this.task.value;
    return [...(task && task.kind !== 'generated' ? [task.on.question.item] : []), ...(this.parked ? [this.parked.question.item] : [])];
  }

  private async beginReview(): Promise<void> {
    try {
      this.reviews = (await api.panels()).doubtful;
      this.reviewsAtFirst = this.reviews.length;
      if (this.view.value === 'review') await this.nextReview();
    } catch (problem) {
      this.report(problem);
    }
  }

  private async nextReview(): Promise<void> {
    const doubt = this.reviews.shift();
    if (!doubt) {
      this.show(null);
      this.empty.value = '';
      return;
    }
    try {
      const on = ready(await api.item(doubt.item, settings.annotator));
      await on.decoded;
      if (this.view.value !== 'review') return;
      const n = this.reviewsAtFirst;
      this.show({ kind: 'review', on, doubt, k: n - this.reviews.length, n });
    } catch (problem) {
      this.reviews.unshift(doubt);
      this.report(problem);
    }
  }

  private async nextGenerated(): Promise<void> {
    try {
      const because = this.made.length === 0 ? await this.moreGenerated() : null;
      if (this.view.value !== 'generated') return;
      const made = this.made.shift();
      if (!made) {
        this.show(null);
        this.empty.value = because ?? '';
        return;
      }
      const picture = loaded(made.url);
      this.show({ kind: 'generated', made, picture, decoded: arrival(picture) });
    } catch (problem) {
      this.report(problem);
    }
  }

  private async moreGenerated(): Promise<string | null> {
    const { pictures, none_because } = await api.generated(4);
    this.made = pictures;
    return none_because;
  }

  private delivered(letter: Letter, answer: unknown): void {
    const { labelled } = answer as { labelled?: number };
    if (labelled !== undefined) this.labelled.value = labelled;
    // A skipped item may be asked about again, though not by an answer that is under way now.
    if (letter.kind === 'skip') setTimeout(() => this.queue.undone(letter.body.item), 30_000);
    if (letter.kind === 'undo') this.wasUndone(letter.body.key, answer as Undone);
  }

  /** Where the server undid something else than this window's last answer, the page shows that. */
  private wasUndone(key: string, { undone, question }: Undone): void {
    // Pressed before the page was loaded again: what it uncovered has been answered since, or is asked again anyway.
    if (!this.expected.has(key)) return;
    const expected = this.expected.get(key) ?? null;
    this.expected.delete(key);
    if (!undone) return this.trouble({ kind: 'nothing to undo' });
    const own = expected && expected.task.kind !== 'generated' ? expected.task.on : null;
    if (undone.item === own?.question.item || !question) return;
    if (expected) this.remember(expected);
    if (own) {
      this.queue.done(own.question.item);
      if (this.task.value?.kind === 'ask' && this.task.value.on === own) this.show(null);
    }
    this.ask(ready(question));
    this.trouble({ kind: 'undone', id: question.id });
  }

  private wasRefused(letter: Letter, problem: Problem): void {
    if (letter.kind === 'label' || letter.kind === 'skip') {
      const { item } = letter.body;
      this.given = this.given.filter(({ task }) => task.kind === 'generated' || task.on.question.item !== item);
      this.place = this.given.length;
      this.last.value = this.given.at(-1) ?? null;
      this.queue.undone(item);
    }
    this.trouble({ kind: 'refused', problem });
  }

  private report(problem: unknown): void {
    if (!(problem instanceof Problem)) throw problem;
    this.trouble({ kind: 'problem', problem });
  }
}

function shown(question: Question): Shown {
  const { rule, why, round, said } = question;
  return { rule, why, round, model: said?.model ?? null, said: said?.class ?? null, confidence: said?.confidence ?? null };
}
