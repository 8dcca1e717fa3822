/** What a person chose, kept in this browser. */
import { readJson, write } from './storage.ts';

export interface Settings {
  /** Who labels; empty until the first visit's dialog. */
  annotator: string;
  /** Empty: the browser's. */
  language: '' | 'en' | 'ja' | 'ru';
  theme: 'auto' | 'light' | 'dark';
  /** Whether the model's answer shows before one's own. */
  showSaid: boolean;
  /** Single letters and digits as shortcuts. Speech input and some keyboards want them off. */
  shortcuts: boolean;
  /** 0: as it is; 1: from the darkest to the brightest; 2: steeper still. */
  contrast: 0 | 1 | 2;
  invert: boolean;
  /** Columns that a person pinned to the top of the card. */
  pinned: string[];
  /** Panels that are folded or unfolded, where a person changed it. */
  open: Record<string, boolean>;
}

const KEY = 'halfmoon.settings';

export const settings: Settings = {
  annotator: '',
  language: '',
  theme: 'auto',
  showSaid: false,
  shortcuts: true,
  contrast: 0,
  invert: false,
  pinned: [],
  open: {},
  ...readJson<Partial<Settings>>(KEY),
};

export function choose(change: Partial<Settings>): void {
  // Another window may have changed something else meanwhile.
  Object.assign(settings, readJson<Partial<Settings>>(KEY), change);
  write(KEY, JSON.stringify(settings));
}

/** Light or dark: the attribute that the style sheet looks at. */
export function applyTheme(): void {
  document.documentElement.dataset.theme = settings.theme;
}
