/** A class's colour and shape: ten colours and seven shapes, so that 70 classes differ, neighbours in both. */
import { svg } from './dom.ts';

export const COLOURS = 10;

/** Each within a square from -5 to 5. */
const SHAPES = [
  'M-4.5 0a4.5 4.5 0 1 0 9 0a4.5 4.5 0 1 0 -9 0z',
  'M-4 -4h8v8h-8z',
  'M0 -5L5 4h-10z',
  'M0 -5.5L5.5 0L0 5.5L-5.5 0z',
  'M-1.8 -5h3.6v3.2h3.2v3.6h-3.2v3.2h-3.6v-3.2h-3.2v-3.6h3.2z',
  'M0 5L5 -4h-10z',
  'M-2.6 -4.6h5.2l2.6 4.6l-2.6 4.6h-5.2l-2.6 -4.6z',
] as const;

export const shapeOf = (k: number): string => SHAPES[k % SHAPES.length] ?? SHAPES[0];
export const colourOf = (k: number): string => `k${k % COLOURS}`;

export function glyph(k: number): SVGSVGElement {
  return svg('svg', { class: 'glyph', viewBox: '-6 -6 12 12', 'aria-hidden': 'true' }, svg('path', { d: shapeOf(k), class: colourOf(k) }));
}
