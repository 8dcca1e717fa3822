/** The line to the server: its events, and whether it answers. */
import type { Project } from './api.ts';
import { Cell } from './cell.ts';

export interface Heard {
  project: (project: Project) => void;
  panels: () => void;
  queue: () => void;
  /** The line is there again. */
  back: () => void;
}

export const online = new Cell(true);

let source: EventSource | null = null;
let tries = 0;
let timer: ReturnType<typeof setTimeout> | undefined;

/** Tries now. */
export let retry: () => void = () => undefined;

export function listen(heard: Heard): void {
  const open = (): void => {
    clearTimeout(timer);
    source?.close();
    source = new EventSource('/api/events');
    source.addEventListener('project', (event: MessageEvent<string>) => heard.project(JSON.parse(event.data) as Project));
    source.addEventListener('panels', heard.panels);
    source.addEventListener('queue', heard.queue);
    source.onopen = () => {
      const wasAway = !online.value || tries > 0;
      tries = 0;
      if (!online.value) online.value = true;
      if (wasAway) heard.back();
    };
    source.onerror = () => {
      // The browser's own retry gives up after an answer that is no stream; this one doesn't.
      source?.close();
      if (online.value) online.value = false;
      timer = setTimeout(open, Math.min(1000 * 2 ** tries, 15_000) * (0.75 + Math.random() / 2));
      tries += 1;
    };
  };
  open();
  // A browser allows six lines to a server: a window that nobody sees gives its own back.
  document.addEventListener('visibilitychange', () => {
    if (document.hidden) {
      clearTimeout(timer);
      source?.close();
      source = null;
    } else if (!source || source.readyState === EventSource.CLOSED) {
      tries = Math.max(tries, 1);
      open();
    }
  });
  window.addEventListener('online', open);
  retry = open;
}
