/** The server's answers, as it writes them, and asking for them. */

export interface Named {
  name: string;
  about: string;
}

export interface Training {
  name: string;
  state: 'none' | 'waiting' | 'training' | 'ready';
  round: number | null;
  labels: number | null;
  step: number | null;
  steps: number | null;
  message: string | null;
}

export interface Scan {
  state: 'listing' | 'reading' | 'done' | 'failed';
  files: number;
  items: number;
  unreadable: number;
  message: string | null;
}

export interface Project {
  name: string;
  classes: string[];
  kind: 'pictures' | 'rows';
  items: number;
  labelled: number;
  rule: string;
  rules: Named[];
  models: Named[];
  model: Training;
  scan: Scan;
  /** Share of the items that two people are asked about. */
  twice: number;
  version: string;
}

export interface Picture {
  kind: 'picture';
  url: string;
  width: number | null;
  height: number | null;
}

export interface Row {
  kind: 'row';
  cells: { column: string; value: string | null }[];
}

export interface Said {
  model: string;
  class: number;
  confidence: number;
  probs: number[];
}

export interface Question {
  item: number;
  id: string;
  content: Picture | Row;
  rule: string;
  why: string;
  round: number | null;
  said: Said | null;
  /** Drawn at random to judge the model by, never learned from. */
  judging: boolean;
  labels: { annotator: string; class: number | null }[];
}

export interface Next {
  questions: Question[];
  waiting?: string;
}

/** The question as it stood when it was answered. */
export interface Shown {
  rule: string;
  why: string;
  round: number | null;
  model: string | null;
  said: number | null;
  confidence: number | null;
}

export interface Answer {
  annotator: string;
  /** 32 hex digits, one a click: the server takes each once. */
  key: string;
  item: number;
  /** Absent in a skip. */
  class?: number;
  seconds: number;
  shown: Shown;
}

export interface Taken {
  event: number;
  is_new: boolean;
  labelled: number;
}

export interface Undone {
  undone: { item: number; class: number | null } | null;
  question: Question | null;
  labelled: number;
}

export interface Generated {
  number: number;
  url: string;
  class: number;
  confidence: number;
}

export interface GeneratedAnswer {
  annotator: string;
  key: string;
  number: number;
  class: number | null | 'refused';
}

export interface Interval {
  accuracy: number;
  low: number;
  high: number;
}

export interface Panels {
  accuracy: {
    now: (Interval & { right: number; n: number }) | null;
    curve: (Interval & { labels: number; n: number })[];
  };
  classes: { name: string; labelled: number; predicted: number | null }[];
  gain: string | null;
  reliability: {
    bins: { low: number; high: number; confidence: number; accuracy: number; n: number }[];
    ece: number | null;
    n: number;
  } | null;
  map: {
    points: MapPoint[];
    axes: string;
  } | null;
  examples: { class: number; pictures: string[] }[];
  doubtful: Doubtful[];
  outliers: { item: number; p: number | null }[];
  agreement: {
    items: number;
    alpha: number | null;
    annotators: { name: string; labels: number; agree: number; n: number }[];
    pairs: { first: string; second: string; items: number; kappa: number | null }[];
  };
  notes: string[];
}

export interface MapPoint {
  item: number;
  x: number;
  y: number;
  class: number | null;
  likeliest: number;
  confidence: number;
}

export interface Doubtful {
  item: number;
  class: number;
  likeliest: number;
  confidence: number;
}

/** What an import came to. */
export interface Imported {
  new: number;
  already: number;
  left_out: number;
  problems: { place: string; reason: string }[];
  conflicts: { place: string; reason: string }[];
  new_classes: string[];
  notes: string[];
}

/** What a request came to when it came to nothing. */
export class Problem extends Error {
  /** 0: no answer at all. */
  readonly status: number;
  readonly field: string | null;
  readonly hint: string | null;

  constructor(status: number, message: string, field: string | null = null, hint: string | null = null) {
    super(message);
    this.status = status;
    this.field = field;
    this.hint = hint;
  }

  /** Whether the same request may succeed later: no answer, too busy, a fault of the server, or a token that is missing. */
  get passes(): boolean {
    return this.status === 0 || [401, 403, 408, 425, 429].includes(this.status) || this.status >= 500;
  }
}

const PATIENCE = 20_000;

async function ask<T>(path: string, options: RequestInit = {}, patience = PATIENCE): Promise<T> {
  let answer: Response;
  try {
    answer = await fetch(path, { credentials: 'same-origin', signal: AbortSignal.timeout(patience), ...options });
  } catch (error) {
    throw new Problem(0, error instanceof Error ? error.message : String(error));
  }
  const body: unknown = await answer.json().catch(() => null);
  if (answer.ok && body !== null) return body as T;
  throw problem(answer.status, body);
}

function problem(status: number, body: unknown): Problem {
  const told = (body as { error?: { field?: string; message?: string; hint?: string } } | null)?.error;
  // An answer that should be JSON and isn't comes from something in between: it may pass.
  const code = status < 400 ? 502 : status;
  return new Problem(code, told?.message ?? `HTTP ${status}`, told?.field ?? null, told?.hint ?? null);
}

function post<T>(path: string, body: unknown): Promise<T> {
  return ask(path, { method: 'POST', headers: { 'content-type': 'application/json' }, body: JSON.stringify(body) });
}

const name = encodeURIComponent;

export const api = {
  project: () => ask<Project>('/api/project'),
  next: (annotator: string, n: number, not: number[]) => ask<Next>(`/api/next?annotator=${name(annotator)}&n=${n}&not=${not.join(',')}`),
  item: (item: number, annotator: string) => ask<Question>(`/api/items/${item}?annotator=${name(annotator)}`),
  label: (answer: Answer) => post<Taken>('/api/label', answer),
  skip: (answer: Answer) => post<Taken>('/api/skip', answer),
  undo: (annotator: string, key: string) => post<Undone>('/api/undo', { annotator, key }),
  newClass: (annotator: string, className: string, really: boolean) =>
    post<{ class: number; classes: string[] }>('/api/classes', { annotator, name: className, ...(really ? { really } : {}) }),
  rule: (rule: string) => post<Project>('/api/rule', { rule }),
  model: (model: string) => post<Project>('/api/rule', { model }),
  panels: () => ask<Panels>('/api/panels'),
  generated: (n: number) => ask<{ pictures: Generated[]; none_because: string | null }>(`/api/generated?n=${n}`),
  answerGenerated: (answer: GeneratedAnswer) => post<unknown>('/api/generated', answer),
  import: (file: File, annotator: string, newClasses: boolean) => {
    const form = new FormData();
    form.append('annotator', annotator);
    if (newClasses) form.append('new_classes', 'true');
    form.append('file', file);
    return ask<Imported>('/api/import', { method: 'POST', body: form }, 600_000);
  },
};

/** A picture of the item of which the longer side has `size` pixels at most. */
export function thumbnail(item: number, size: number): string {
  return `/api/items/${item}/picture?size=${size}`;
}

export const exported = (format: 'csv' | 'jsonl' | 'label-studio') => `/api/export?format=${format}`;
