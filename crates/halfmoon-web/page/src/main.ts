/** The page: its parts, and what moves between them. */
import { api, Problem, type Project, type Question } from './api.ts';
import { Cell } from './cell.ts';
import { ClassButtons } from './classes.ts';
import { askClass, askName, showHelp, showImported, showSettings } from './dialogs.ts';
import { el, fileName, put, said } from './dom.ts';
import { icon } from './icons.ts';
import { ItemView } from './item.ts';
import { COMMANDS, type Command, isTyping, keyOf } from './keys.ts';
import * as latency from './latency.ts';
import { listen, online } from './link.ts';
import { notice, notices } from './notices.ts';
import { PanelList } from './panels/all.ts';
import { type Given, Session, type Task, type Trouble, type View } from './session.ts';
import { applyTheme, settings } from './settings.ts';
import { scanWords, Status } from './status.ts';
import { language, percent, t } from './texts.ts';
import './styles.css';

const HELD = 'halfmoon.questions';

async function start(): Promise<void> {
  applyTheme();
  document.documentElement.lang = language;
  const project = await firstProject();
  document.title = `${project.name} · halfmoon`;
  new Page(project);
}

/** Waits for the server: the page may be older than it. */
async function firstProject(): Promise<Project> {
  for (let tries = 0; ; tries++) {
    try {
      return await api.project();
    } catch (problem) {
      if (!(problem instanceof Problem)) throw problem;
      const words = problem.passes && problem.status === 0 ? t.offline : [problem.message, problem.hint].filter(Boolean).join(' ');
      put(document.body, el('main', { class: 'alone' }, el('p', { role: 'alert' }, words)));
      await new Promise((resolve) => setTimeout(resolve, Math.min(1000 * 2 ** tries, 15_000)));
    }
  }
}

class Page {
  private readonly project: Cell<Project>;
  private readonly session: Session;
  private readonly item = new ItemView();
  private readonly classes = new ClassButtons((k) => { if (this.isSeen) this.session.label(k); });
  private readonly panels = new PanelList();
  private readonly status = new Status();
  private readonly model = el('p', { class: 'model', 'aria-live': 'polite' });
  private readonly last = el('p', { class: 'last' });
  private readonly spoken = el('p', { class: 'hidden', 'aria-live': 'polite' });
  private readonly side: HTMLElement;
  private readonly tabs: Record<View, HTMLButtonElement>;
  private readonly actions: Record<'undo' | 'back' | 'skip' | 'keep' | 'goOn' | 'refuse' | 'newClass' | 'said', HTMLButtonElement>;
  private readonly panelsButton: HTMLButtonElement;
  /** Nobody labels what is not on the screen yet. */
  private isSeen = false;
  /** Whether `m` asked for the model's answer to this item. */
  private asksModel = false;
  private panelsAt = 0;
  private panelsTimer: ReturnType<typeof setTimeout> | undefined;

  constructor(project: Project) {
    this.project = new Cell(project);
    this.session = new Session(project.name, (trouble) => this.tell(trouble));
    this.tabs = { label: this.tab('label', 'l'), review: this.tab('review', 'r'), generated: this.tab('generated', 'g') };
    this.actions = {
      undo: this.action('undo', t.undo, 'u'), back: this.action('back', t.previous, 'b'), skip: this.action('skip', t.skip, 's'), keep: this.action('keep', t.keep, 'Enter'),
      goOn: this.action('leave', t.goOn, 'Escape'), refuse: this.action('refuse', t.refuse, 'x'), newClass: this.action('newClass', t.newClass, 'n'), said: this.action('showSaid', t.modelButton, 'm'),
    };
    this.panelsButton = el('button', { type: 'button', class: 'plain panels-button', 'aria-expanded': 'false', 'aria-controls': 'side', title: t.panels, 'aria-label': t.panels, onclick: () => this.drawer() }, icon('panels'));
    this.side = el('aside', { id: 'side', 'aria-label': t.panels }, el('div', { class: 'side-head' }, this.status.labelled, this.status.scan, this.status.training, el('button', { type: 'button', class: 'plain close', title: t.close, 'aria-label': t.close, onclick: () => this.drawer(false) }, icon('close'))), this.panels.element);
    this.build(project);
    this.wire();
    void this.begin();
  }

  private build(project: Project): void {
    const link = el('a', { class: 'skip-link', href: '#item' }, t.skipLink);
    const mark = el('span', { class: 'mark-moon', 'aria-hidden': 'true' });
    const header = el('header', {}, el('h1', {}, mark, said(project.name)),
      el('nav', { 'aria-label': t.views }, ...Object.values(this.tabs)),
      el('div', { class: 'head-end' }, this.status.saved, el('button', { type: 'button', class: 'plain', title: `${t.help} (?)`, 'aria-label': t.help, 'aria-keyshortcuts': '?', onclick: showHelp }, icon('help')),
        el('button', { type: 'button', class: 'plain', title: t.settings, 'aria-label': t.settings, onclick: () => showSettings(() => this.settingsChanged()) }, icon('settings')), this.panelsButton));
    const { undo, back, skip, keep, goOn, refuse, newClass, said: model } = this.actions;
    const main = el('main', {}, this.item.element,
      el('div', { class: 'answer' }, el('div', { class: 'told' }, model, this.model), this.classes.element,
        el('div', { class: 'actions', role: 'toolbar', 'aria-label': t.question }, keep, goOn, refuse, undo, back, skip, newClass), this.last));
    put(document.body, link, header, this.status.offline, main, this.side, notices, this.spoken);
  }

  private wire(): void {
    const { session, project } = this;
    this.status.watch(session.outbox);
    project.watch((now) => {
      document.documentElement.dataset.kind = now.kind;
      this.status.show(now);
      this.classes.show(now.classes);
      this.tabs.generated.hidden = now.kind !== 'pictures';
      if (!session.task.value) this.nothing();
    });
    session.labelled.watch((labelled) => {
      if (labelled !== null) project.value = { ...project.value, labelled };
    });
    session.view.watch((view) => {
      for (const [name, tab] of Object.entries(this.tabs)) {
        if (name === view) tab.setAttribute('aria-current', 'page');
        else tab.removeAttribute('aria-current');
      }
      document.documentElement.dataset.view = view;
      this.last.hidden = view === 'generated';
    });
    session.task.watch((task) => void this.show(task));
    session.empty.watch(() => { if (!session.task.value) this.nothing(); });
    session.queue.waiting.watch(() => { if (!session.task.value) this.nothing(); });
    online.watch(() => { if (!session.task.value) this.nothing(); });
    session.last.watch(() => soon(() => this.showLast(session.last.value)));
    document.addEventListener('keydown', (event) => this.key(event));
    document.addEventListener('click', (event) => {
      if ((event.target as Element).closest('.class, .actions button')) latency.pressed(event);
    }, { capture: true });
    window.addEventListener('storage', () => session.outbox.count());
    window.addEventListener('pagehide', () => {
      session.queue.leave();
      sessionStorage.setItem(HELD, JSON.stringify({ at: Date.now(), project: project.value.name, questions: session.questions }));
    });
    // Nobody waits in front of an empty page for an event that got lost.
    setInterval(() => { if (!session.task.value && session.view.value === 'label') void session.queue.fill(); }, 2000);
  }

  private async begin(): Promise<void> {
    if (!settings.annotator) await askName(this.project.value.name);
    listen({
      project: (project) => { this.project.value = project; },
      panels: () => this.panelsSoon(),
      queue: () => void this.session.queue.fill(true),
      back: () => {
        notice(t.back);
        void this.session.outbox.flush();
        void this.session.queue.fill();
        void this.refresh();
      },
    });
    void this.session.outbox.flush();
    this.session.resume(heldBefore(this.project.value.name));
    this.panelsSoon();
  }

  private async refresh(): Promise<void> {
    try {
      this.project.value = await api.project();
      this.panelsSoon();
    } catch (problem) {
      if (!(problem instanceof Problem)) throw problem;
    }
  }

  /** Fetches the panels, at most once a second. */
  private panelsSoon(): void {
    clearTimeout(this.panelsTimer);
    this.panelsTimer = setTimeout(async () => {
      this.panelsAt = Date.now();
      try {
        const panels = await api.panels();
        this.tabs.review.dataset.count = panels.doubtful.length ? String(panels.doubtful.length) : '';
        this.panels.draw({
          panels, project: this.project.value,
          open: (item) => { this.drawer(false); void this.session.visit(item); },
          review: () => { this.drawer(false); this.session.go('review'); },
          choose: (change) => void this.choose(change),
          import: (file) => void this.import(file),
        });
      } catch (problem) {
        if (!(problem instanceof Problem)) throw problem;
      }
    }, Math.max(0, this.panelsAt + 1000 - Date.now()));
  }

  private async show(task: Task | null): Promise<void> {
    this.asksModel = false;
    this.showActions(task);
    this.showModel();
    this.see(false);
    if (!task) {
      this.classes.enable(false);
      return this.nothing();
    }
    const picture = task.kind === 'generated' ? task.picture : task.on.picture;
    this.classes.enable(!picture || (picture.complete && picture.naturalWidth > 0));
    const isSeen = await this.item.show(task, this.project.value.classes);
    if (this.session.task.value !== task) return;
    this.see(isSeen);
    this.classes.enable(isSeen);
    latency.shown();
    soon(() => { this.spoken.textContent = t.nextIs(this.item.element.dataset.id ?? ''); });
  }

  private see(isSeen: boolean): void {
    this.isSeen = isSeen;
    this.item.element.dataset.seen = isSeen ? 'yes' : 'no';
  }

  private showActions(task: Task | null): void {
    const kind = task?.kind;
    const { keep, goOn, refuse, back, skip, newClass } = this.actions;
    keep.hidden = kind !== 'review';
    goOn.hidden = kind !== 'visit';
    refuse.hidden = kind !== 'generated';
    back.hidden = kind === 'generated' || kind === 'review';
    skip.hidden = kind === 'visit';
    skip.disabled = refuse.disabled = !task;
    newClass.hidden = kind === 'generated';
    const words = kind === 'generated' ? t.cannotTell : t.skip;
    if (skip.lastElementChild!.textContent !== words) skip.lastElementChild!.textContent = words;
  }

  /** What stands, and what the model says where it may be seen. */
  private showModel(): void {
    const task = this.session.task.value;
    const name = (k: number): string => this.project.value.classes[k] ?? String(k);
    if (!task || task.kind === 'generated') {
      const isAsked = this.asksModel || settings.showSaid;
      put(this.model, task && isAsked ? el('span', { dir: 'auto' }, t.madeAs(name(task.made.class), percent(task.made.confidence))) : null);
      this.actions.said.hidden = !task || isAsked;
      return this.classes.mark(null, null);
    }
    const { said: model, judging, labels } = task.on.question;
    const isAnswered = task.kind !== 'ask' && labels.length > 0;
    const asked = this.asksModel || settings.showSaid || isAnswered;
    const mayShow = asked && (!judging || isAnswered);
    const stands = task.kind === 'review' ? task.doubt.class : Session.own(task.on.question);
    const words = !asked ? '' : judging && (!mayShow || !model) ? t.judgingHides : model ? t.modelSays(name(model.class), percent(model.confidence)) : t.modelSilent;
    put(this.model, el('span', { dir: 'auto' }, words));
    this.actions.said.hidden = asked;
    this.classes.mark(stands, mayShow ? (model?.probs ?? null) : null);
  }

  private nothing(): void {
    const { scan } = this.project.value;
    const { view, empty, queue } = this.session;
    if (view.value === 'review') return this.item.nothing(empty.value === null ? t.starting : t.noReview);
    if (view.value === 'generated') return this.item.nothing(empty.value === null ? t.starting : empty.value || t.noGenerated);
    const words = !online.value ? t.offline : scanWords(scan) ?? (queue.waiting.value === null ? t.starting : queue.waiting.value || t.nothing);
    const isScanning = online.value && (scan.state === 'listing' || scan.state === 'reading');
    this.item.nothing(el('p', { dir: 'auto' }, words), isScanning ? el('progress', { 'aria-label': words }) : '');
  }

  /** The last answer, with what the model said of it: after the answer it can't sway anybody. */
  private showLast(given: Given | null): void {
    if (!given || given.task.kind === 'generated') return put(this.last);
    const { classes } = this.project.value;
    const { said: model, content, id } = given.task.on.question;
    const name = (k: number): string => classes[k] ?? String(k);
    const picture = content.kind === 'picture' ? el('img', { src: content.url, alt: '', class: 'pixelated' }) : null;
    const mine = typeof given.class !== 'number' ? t.youSkipped : t.youSaid(name(given.class));
    const isOther = model !== null && typeof given.class === 'number' && model.class !== given.class;
    put(this.last, el('span', { class: 'hidden' }, `${t.lastAnswer}: `), picture, fileName(id), el('span', { dir: 'auto' }, mine),
      model ? el('span', { class: isOther ? 'other' : 'quiet', dir: 'auto' }, t.modelSays(name(model.class), percent(model.confidence))) : null);
  }

  private key(event: KeyboardEvent): void {
    if (event.defaultPrevented || document.querySelector('dialog[open]')) return;
    if (isTyping(event.target)) {
      if (event.key === 'Escape') (event.target as HTMLElement).blur();
      return;
    }
    const key = keyOf(event);
    if (key === null) return;
    // Enter and Space press what has the focus.
    if (key === 'Enter' && event.target instanceof Element && event.target.closest('button, a, summary, .map')) return;
    const isSpecial = key === 'Enter' || key === 'Escape';
    if (!settings.shortcuts && !isSpecial) return;
    const chosen = this.classes.at(key);
    if (chosen !== null) {
      event.preventDefault();
      if (!this.isSeen) return;
      latency.pressed(event);
      this.session.label(chosen);
      return;
    }
    const command = (COMMANDS as Record<string, Command>)[key];
    if (!command) return;
    if (!isSpecial) event.preventDefault();
    latency.pressed(event);
    this.do(command);
    if (command !== 'skip') latency.forget();
  }

  private do(command: Command): void {
    const { session } = this;
    switch (command) {
      case 'undo': return session.undo();
      case 'skip': return session.skip();
      case 'back': return session.back();
      case 'keep': return session.keep();
      case 'refuse': return session.refuse();
      case 'leave': return this.leave();
      case 'label': case 'review': case 'generated': return this.tabs[command].hidden ? undefined : session.go(command);
      case 'newClass': return this.newClass();
      case 'showSaid': this.asksModel = true; return this.showModel();
      case 'search': return this.classes.focusSearch();
      case 'help': return showHelp();
      case 'contrast': return this.item.picture.contrast();
      case 'invert': return this.item.picture.invert();
      case 'zoomIn': return this.item.picture.zoomBy(1.4);
      case 'zoomOut': return this.item.picture.zoomBy(1 / 1.4);
    }
  }

  private leave(): void {
    if (document.documentElement.dataset.drawer === 'open') this.drawer(false);
    else if (this.session.task.value?.kind === 'visit') this.session.forward();
    else if (this.session.view.value !== 'label') this.session.go('label');
  }

  private newClass(): void {
    const task = this.session.task.value;
    askClass(task !== null && task.kind !== 'generated', '', async (name, really, use) => {
      const made = await api.newClass(settings.annotator, name, really);
      this.project.value = { ...this.project.value, classes: made.classes };
      if (use && this.session.task.value === task) this.session.label(made.class);
    });
  }

  private async choose(change: { rule: string } | { model: string }): Promise<void> {
    try {
      this.project.value = 'rule' in change ? await api.rule(change.rule) : await api.model(change.model);
      void this.session.queue.fill(true);
    } catch (problem) {
      this.complain(problem);
    }
    this.panelsSoon();
  }

  private async import(file: File, newClasses = false): Promise<void> {
    try {
      const told = await api.import(file, settings.annotator, newClasses);
      showImported(told, newClasses ? null : () => void this.import(file, true));
      void this.refresh();
    } catch (problem) {
      this.complain(problem);
    }
  }

  private complain(problem: unknown): void {
    if (!(problem instanceof Problem)) throw problem;
    notice([problem.status === 0 ? t.offline : problem.message, problem.hint].filter(Boolean).join(' '), true);
  }

  private tell(trouble: Trouble): void {
    switch (trouble.kind) {
      case 'problem':
        // A name that the server does not take is asked for again.
        if (trouble.problem.field === 'annotator') void this.rename(trouble.problem);
        else this.complain(trouble.problem);
        return;
      case 'refused': return notice(t.refused([trouble.problem.message, trouble.problem.hint].filter(Boolean).join(' ')), true);
      case 'undone': return notice(t.undone(trouble.id));
      case 'nothing to undo': return notice(t.nothingToUndo);
    }
  }

  private async rename(problem: Problem): Promise<void> {
    if (document.querySelector('dialog[open]')) return;
    await askName(this.project.value.name, [problem.message, problem.hint].filter(Boolean).join(' '));
    void this.session.queue.fill(true);
  }

  private settingsChanged(): void {
    this.showModel();
    this.panelsSoon();
  }

  /** On a narrow page the panels come over it. */
  private drawer(open = document.documentElement.dataset.drawer !== 'open'): void {
    const was = document.documentElement.dataset.drawer === 'open';
    if (open === was) return;
    document.documentElement.dataset.drawer = open ? 'open' : 'closed';
    this.panelsButton.setAttribute('aria-expanded', String(open));
    for (const part of document.querySelectorAll('body > header, body > main')) (part as HTMLElement).inert = open;
    if (open) this.side.querySelector<HTMLElement>('.close')?.focus();
    else this.panelsButton.focus();
  }

  private tab(view: View, key: string): HTMLButtonElement {
    return el('button', { type: 'button', class: 'tab', 'aria-keyshortcuts': key, title: `${t[view]} (${key})`, onclick: () => this.session.go(view) }, t[view]);
  }

  private action(command: Command, words: string, key: string): HTMLButtonElement {
    const shown = key === 'Enter' ? '↵' : key === 'Escape' ? 'Esc' : key.toUpperCase();
    return el('button', { type: 'button', class: 'action', 'data-do': command, 'aria-keyshortcuts': key, onclick: () => this.do(command) }, el('kbd', { 'aria-hidden': 'true' }, shown), el('span', {}, words));
  }
}

/** After the frame that shows the next item: nothing is to be in its way. */
function soon(work: () => void): void {
  requestAnimationFrame(() => setTimeout(work));
}

/** What the page held before it was loaded again; its loan runs out after three minutes. */
function heldBefore(project: string): Question[] {
  try {
    const kept = JSON.parse(sessionStorage.getItem(HELD) ?? 'null') as { at: number; project: string; questions: Question[] } | null;
    // A window that is copied must not hold the same questions as the first.
    sessionStorage.removeItem(HELD);
    return kept && kept.project === project && Date.now() - kept.at < 150_000 ? kept.questions : [];
  } catch {
    return [];
  }
}

void start();
