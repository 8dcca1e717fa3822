/** The class buttons, and the search among many. */
import { el, put, said } from './dom.ts';
import { glyph } from './glyph.ts';
import { assignKeys } from './keys.ts';
import { t } from './texts.ts';

/** From this many on there is a search field. */
const MANY = 12;

export class ClassButtons {
  readonly element: HTMLElement;
  private readonly grid = el('div', { class: 'class-grid' });
  private readonly none = el('p', { class: 'quiet', role: 'status' });
  private readonly search: HTMLInputElement;
  private hasShares = false;
  private buttons: HTMLButtonElement[] = [];
  private names: string[] = [];
  private keys: (string | null)[] = [];
  private readonly choose: (k: number) => void;

  constructor(choose: (k: number) => void) {
    this.choose = choose;
    this.search = el('input', {
      type: 'search', class: 'search', placeholder: `${t.searchClass}  /`, 'aria-label': t.searchClass, 'aria-keyshortcuts': '/', autocomplete: 'off', spellcheck: 'false',
      oninput: () => this.filter(), onkeydown: (event: KeyboardEvent) => this.typed(event),
    });
    this.element = el('section', { class: 'classes', 'aria-label': t.classes }, this.search, this.none, this.grid);
    this.none.hidden = true;
  }

  /** Draws the buttons, where the classes changed. */
  show(names: string[]): void {
    if (names.length === this.names.length && names.every((name, k) => name === this.names[k])) return;
    this.names = names;
    this.keys = assignKeys(names);
    this.buttons = names.map((name, k) => this.button(name, k));
    put(this.grid, ...this.buttons);
    this.search.hidden = names.length <= MANY;
    document.documentElement.dataset.many = this.element.dataset.many = names.length > MANY ? 'yes' : 'no';
    // Short names stand close together, a few long ones among them take two places.
    const long = names.filter(isLong).length;
    this.element.dataset.short = long === 0 ? 'yes' : long <= names.length / 5 ? 'most' : 'no';
    this.filter();
  }

  /** The class of a key. */
  at(key: string): number | null {
    const k = this.keys.indexOf(key);
    return k < 0 ? null : k;
  }

  focusSearch(): void {
    if (this.search.hidden) this.buttons[0]?.focus();
    else this.search.focus();
  }

  /** Marks the class that stands, and how likely the model holds each, where that may be seen. */
  mark(stands: number | null, probs: number[] | null): void {
    this.buttons.forEach((button, k) => {
      button.classList.toggle('stands', k === stands);
      if (k === stands) button.setAttribute('aria-current', 'true');
      else if (button.hasAttribute('aria-current')) button.removeAttribute('aria-current');
      if (probs || this.hasShares) button.style.setProperty('--share', String(probs?.[k] ?? 0));
    });
    this.hasShares = probs !== null;
  }

  enable(on: boolean): void {
    if (this.buttons[0]?.disabled === !on) return;
    for (const button of this.buttons) button.disabled = !on;
  }

  private button(name: string, k: number): HTMLButtonElement {
    const key = this.keys[k] ?? null;
    return el('button', { type: 'button', class: isLong(name) ? 'class long' : 'class', 'data-class': k, 'data-key': key, 'aria-keyshortcuts': key, title: name, onclick: () => this.choose(k) },
      key === null ? null : el('kbd', { 'aria-hidden': 'true' }, key.toUpperCase()), glyph(k), said(name, 'span', { class: 'class-name' }));
  }

  private matches(): number[] {
    const words = this.search.value.trim().toLowerCase();
    if (!words) return this.names.map((_, k) => k);
    const found = this.names.map((name, k) => ({ k, at: name.toLowerCase().indexOf(words) })).filter(({ at }) => at >= 0);
    // Names that begin with what was typed come first.
    return found.sort((a, b) => Number(a.at > 0) - Number(b.at > 0) || a.k - b.k).map(({ k }) => k);
  }

  private filter(): void {
    const matches = this.matches();
    const typed = this.search.value.trim();
    this.buttons.forEach((button, k) => {
      button.hidden = !matches.includes(k);
      button.classList.toggle('first', typed !== '' && matches[0] === k);
    });
    if (typed) this.grid.scrollTop = 0;
    this.none.hidden = matches.length > 0;
    this.none.textContent = typed ? t.noClass(typed) : t.noClasses;
  }

  private typed(event: KeyboardEvent): void {
    const first = this.matches()[0];
    if (event.key === 'Enter' && first !== undefined && this.search.value.trim()) {
      event.preventDefault();
      this.clear();
      this.choose(first);
    } else if (event.key === 'Escape') {
      event.stopPropagation();
      this.clear();
    }
  }

  private clear(): void {
    this.search.value = '';
    this.filter();
    this.search.blur();
  }
}

function isLong(name: string): boolean {
  return name.length > 3;
}
