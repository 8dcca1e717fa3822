/** Small drawings on buttons, of 20 by 20. */
import { svg } from './dom.ts';

const PATHS = {
  settings: 'M3 6h7M14 6h3M3 14h3M10 14h7M12 3.8a2.2 2.2 0 1 1 0 4.4a2.2 2.2 0 1 1 0-4.4M8 11.8a2.2 2.2 0 1 1 0 4.4a2.2 2.2 0 1 1 0-4.4',
  panels: 'M4 17v-6M10 17V4M16 17v-9',
  help: 'M7 7.2a3 3 0 1 1 4.4 2.7c-.9.5-1.4 1-1.4 2.1M10 15.4v.2',
  contrast: 'M10 3a7 7 0 1 0 0 14a7 7 0 1 0 0-14M10 3v14M12.5 4v12M14.8 5.5v9',
  invert: 'M3 3h14v14h-14zM3 17L17 3M6.5 17L17 6.5M10.5 17L17 10.5',
  close: 'M5 5l10 10M15 5L5 15',
};

export function icon(name: keyof typeof PATHS): SVGSVGElement {
  return svg('svg', { class: 'icon', viewBox: '0 0 20 20', 'aria-hidden': 'true' }, svg('path', { d: PATHS[name] }));
}
