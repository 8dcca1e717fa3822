/** Axes for the small drawings. */
import { svg } from '../dom.ts';

export const WIDTH = 320;
export const HEIGHT = 190;
const LEFT = 38;
const RIGHT = 10;
const TOP = 10;
const BOTTOM = 34;

export interface Scale {
  x: (value: number) => number;
  y: (value: number) => number;
}

export interface Axis {
  from: number;
  to: number;
  name: string;
  ticks: number[];
  write: (value: number) => string;
}

/** A drawing with its axes, to which `marks` adds. */
export function chart(label: string, across: Axis, up: Axis, marks: (scale: Scale) => SVGElement[]): SVGSVGElement {
  const scale: Scale = {
    x: (value) => LEFT + ((value - across.from) / (across.to - across.from || 1)) * (WIDTH - LEFT - RIGHT),
    y: (value) => HEIGHT - BOTTOM - ((value - up.from) / (up.to - up.from || 1)) * (HEIGHT - TOP - BOTTOM),
  };
  const grid = up.ticks.flatMap((tick) => [
    svg('line', { class: 'grid', x1: LEFT, x2: WIDTH - RIGHT, y1: scale.y(tick), y2: scale.y(tick) }),
    svg('text', { x: LEFT - 5, y: scale.y(tick) + 4, 'text-anchor': 'end' }, up.write(tick)),
  ]);
  const foot = across.ticks.map((tick) => svg('text', { x: scale.x(tick), y: HEIGHT - BOTTOM + 15, 'text-anchor': 'middle' }, across.write(tick)));
  const names = [
    svg('text', { class: 'axis-name', x: WIDTH - RIGHT, y: HEIGHT - 4, 'text-anchor': 'end' }, `${across.name} →`),
    svg('text', { class: 'axis-name', x: 0, y: HEIGHT - 4 }, `↑ ${up.name}`),
  ];
  return svg('svg', { class: 'chart', viewBox: `0 0 ${WIDTH} ${HEIGHT}`, role: 'img', 'aria-label': label }, ...grid, ...foot, ...names, ...marks(scale));
}

/** About `n` round numbers from `from` to `to`. */
export function ticks(from: number, to: number, n: number): number[] {
  const rough = (to - from) / n || 1;
  const power = 10 ** Math.floor(Math.log10(rough));
  const step = [1, 2, 5, 10].map((k) => k * power).find((s) => s >= rough) ?? rough;
  const first = Math.ceil(from / step - 1e-9);
  const last = Math.floor(to / step + 1e-9);
  return Array.from({ length: Math.max(0, last - first + 1) }, (_, k) => Number(((first + k) * step).toPrecision(12)));
}

/** A path through the points. */
export const line = (points: [number, number][]): string => points.map(([x, y], k) => `${k ? 'L' : 'M'}${x.toFixed(1)} ${y.toFixed(1)}`).join('');
