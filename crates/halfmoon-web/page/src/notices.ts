/** Short words that come and go, read out as well. */
import { el } from './dom.ts';

const STAY = 6000;

export const notices = el('div', { class: 'notices', role: 'status', 'aria-live': 'polite' });

export function notice(words: string, isTrouble = false): void {
  if ([...notices.children].some((shown) => shown.textContent === words)) return;
  const shown = el('p', { class: isTrouble ? 'notice trouble' : 'notice', dir: 'auto' }, words);
  notices.append(shown);
  setTimeout(() => shown.remove(), isTrouble ? 2 * STAY : STAY);
}
