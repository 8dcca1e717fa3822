/** The item, large: a picture or a row, with what the page says about it. */
import type { Picture, Row } from './api.ts';
import { el, fileName, put, said, sentence } from './dom.ts';
import { PictureView } from './picture.ts';
import { rowCard } from './row.ts';
import { type QuestionTask, Session, type Task } from './session.ts';
import { settings } from './settings.ts';
import { percent, t } from './texts.ts';

export class ItemView {
  readonly picture = new PictureView();
  readonly element: HTMLElement;
  private readonly head = el('p', { class: 'item-head' });
  private readonly body = el('div', { class: 'item-body' });

  constructor() {
    this.element = el('section', { class: 'item', id: 'item', tabindex: -1, 'aria-label': t.question }, this.head, this.body);
  }

  /** Shows a task. Resolves when its picture is there, to whether it can be seen. */
  async show(task: Task, classes: string[]): Promise<boolean> {
    const id = task.kind === 'generated' ? `#${task.made.number}` : task.on.question.id;
    this.element.dataset.kind = task.kind;
    this.element.dataset.id = id;
    if (task.kind === 'generated') delete this.element.dataset.item;
    else this.element.dataset.item = String(task.on.question.item);
    put(this.head, ...head(task, classes));
    const content: Picture | Row = task.kind === 'generated' ? { kind: 'picture', url: task.made.url, width: null, height: null } : task.on.question.content;
    const picture = task.kind === 'generated' ? task.picture : task.on.picture;
    if (content.kind === 'row' || !picture) {
      put(this.body, content.kind === 'row' ? rowCard(content) : null);
      return true;
    }
    if (this.body.firstChild !== this.picture.element) put(this.body, this.picture.element);
    this.picture.show(picture, id);
    await (task.kind === 'generated' ? task.decoded : task.on.decoded);
    this.picture.loaded(picture);
    return picture.naturalWidth > 0;
  }

  /** Shows why there is nothing. */
  nothing(...words: (Node | string)[]): void {
    this.element.dataset.kind = 'nothing';
    delete this.element.dataset.item;
    delete this.element.dataset.id;
    put(this.head);
    put(this.body, el('div', { class: 'nothing' }, ...words));
  }
}

function head(task: Task, classes: string[]): (Node | string)[] {
  const name = (k: number): string => classes[k] ?? String(k);
  switch (task.kind) {
    case 'generated':
      return [el('strong', { class: 'mark' }, t.made), el('span', { class: 'quiet' }, t.whatIsIt)];
    case 'review': {
      const { doubt, k, n } = task;
      return [el('strong', {}, t.reviewing(k, n)), el('span', {}, t.doubt(name(doubt.class), name(doubt.likeliest), percent(doubt.confidence))), ...others(task, name), fileName(task.on.question.id)];
    }
    case 'visit': {
      const own = Session.own(task.on.question);
      return [el('strong', {}, t.lookingBack), el('span', { dir: 'auto' }, own === null ? t.notLabelled : t.standing(name(own))), ...others(task, name), fileName(task.on.question.id)];
    }
    case 'ask':
      return [
        el('span', { class: 'why', dir: 'auto' }, sentence(task.on.question.why)),
        task.on.question.judging && !task.on.question.why.toLowerCase().includes('judge') ? el('span', { class: 'mark' }, t.judging) : '',
        fileName(task.on.question.id),
      ];
  }
}

/** What other people gave it. */
function others(task: QuestionTask, name: (k: number) => string): HTMLElement[] {
  const given = task.on.question.labels.filter((label) => label.annotator !== settings.annotator && label.class !== null);
  return given.map((label) => el('span', { class: 'quiet', dir: 'auto' }, said(label.annotator), ': ', said(name(label.class ?? 0))));
}

