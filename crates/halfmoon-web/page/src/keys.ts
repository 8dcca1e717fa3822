/** Which key does what. */

/** Keys that are commands on every view, and so never a class's. */
export const COMMANDS = {
  u: 'undo', s: 'skip', b: 'back', n: 'newClass', m: 'showSaid', g: 'generated', r: 'review', l: 'label',
  x: 'refuse', c: 'contrast', i: 'invert', '?': 'help', '/': 'search', '+': 'zoomIn', '=': 'zoomIn', '-': 'zoomOut', Enter: 'keep', Escape: 'leave',
} as const;

export type Command = (typeof COMMANDS)[keyof typeof COMMANDS];

const DIGITS = [...'123456789'];
const LETTERS = [...'abcdefghijklmnopqrstuvwxyz'].filter((letter) => !(letter in COMMANDS));

/**
 * The key of each class, null where keys have run out. A class whose name is one digit has that digit, so that the
 * digit seen is the key pressed; the others take what is left of 1 to 9, then 0, then the free letters, in their order.
 */
export function assignKeys(classes: string[]): (string | null)[] {
  const own = classes.map((name) => (/^[0-9]$/.test(name) ? name : null));
  const free = [...DIGITS, '0', ...LETTERS].filter((key) => !own.includes(key));
  return classes.map((_, k) => own[k] ?? free.shift() ?? null);
}

/** What of a key press matters here. */
export interface Press {
  key: string;
  code: string;
  shiftKey: boolean;
  ctrlKey: boolean;
  metaKey: boolean;
  altKey: boolean;
  repeat: boolean;
}

/**
 * The key as a Latin keyboard has it: Cyrillic and Greek letters by their place, the digit row of a French keyboard
 * without Shift. Null for what is no shortcut: with a modifier, or held down.
 */
export function keyOf(press: Press): string | null {
  if (press.ctrlKey || press.metaKey || press.altKey || press.repeat) return null;
  const key = press.key.length === 1 ? press.key.toLowerCase() : press.key;
  const place = /^(?:Key([A-Z])|Digit([0-9]))$/.exec(press.code);
  if (place?.[2] && !press.shiftKey && !/[0-9]/.test(key)) return place[2];
  if (place?.[1] && key.length === 1 && key.charCodeAt(0) > 127) return place[1].toLowerCase();
  return key;
}

/** Whether typing belongs to what has the focus. */
export function isTyping(target: EventTarget | null): boolean {
  if (!(target instanceof HTMLElement)) return false;
  if (target instanceof HTMLInputElement) return !['checkbox', 'radio', 'button', 'file'].includes(target.type);
  return target instanceof HTMLTextAreaElement || target instanceof HTMLSelectElement;
}
