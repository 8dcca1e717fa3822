/** The items by the two axes that tell them apart best. Filled points are labelled, hollow ones show the likeliest class. */
import { type MapPoint, thumbnail } from '../api.ts';
import { el, put } from '../dom.ts';
import { colourOf, shapeOf } from '../glyph.ts';
import { percent, t } from '../texts.ts';
import type { Context, Panel } from './panel.ts';

const SIDE = 340;
const EDGE = 14;

export const map: Panel = {
  id: 'map',
  title: t.map,
  open: true,
  draw: (context) => {
    const found = context.panels.map;
    if (!found || found.points.length === 0) return null;
    return [new MapView(found.points, context).element, el('p', { class: 'quiet', dir: 'auto' }, found.axes), el('p', { class: 'quiet' }, t.mapHelp)];
  },
};

interface Placed extends MapPoint {
  px: number;
  py: number;
}

class MapView {
  readonly element: HTMLElement;
  private readonly canvas = el('canvas', { 'aria-hidden': 'true' });
  private readonly tip = el('div', { class: 'tip' });
  private readonly words = el('div', { class: 'hidden', 'aria-live': 'polite' });
  private readonly points: Placed[];
  private readonly context: Context;
  private at: Placed | null = null;

  constructor(points: MapPoint[], context: Context) {
    this.context = context;
    this.points = placed(points);
    this.tip.hidden = true;
    this.element = el('div', {
      class: 'map', tabindex: 0, role: 'application', 'aria-label': `${t.map}. ${t.mapHelp}`,
      onpointermove: (event: PointerEvent) => this.look(event),
      onpointerleave: () => this.go(null),
      onclick: (event: MouseEvent) => { this.look(event); this.open(); },
      onkeydown: (event: KeyboardEvent) => this.pressed(event),
      onblur: () => this.go(null),
    }, this.canvas, this.tip, this.words);
    requestAnimationFrame(() => this.draw());
    matchMedia('(prefers-color-scheme: dark)').addEventListener('change', () => this.draw());
  }

  private draw(): void {
    const density = Math.min(devicePixelRatio || 1, 2);
    this.canvas.width = this.canvas.height = SIDE * density;
    const brush = this.canvas.getContext('2d');
    if (!brush) return;
    const style = getComputedStyle(this.element);
    const colour = (k: number): string => style.getPropertyValue(`--${colourOf(k)}`);
    const around = style.getPropertyValue('--panel');
    const shapes = new Map<number, Path2D>();
    const size = this.points.length > 400 ? 0.6 : 0.85;
    // Labelled ones lie above the others.
    for (const point of [...this.points].sort((a, b) => Number(a.class !== null) - Number(b.class !== null))) {
      const k = point.class ?? point.likeliest;
      if (!shapes.has(k)) shapes.set(k, new Path2D(shapeOf(k)));
      const scale = density * size * (point === this.at ? 1.9 : 1);
      brush.setTransform(scale, 0, 0, scale, point.px * density, point.py * density);
      brush.lineWidth = point.class === null ? 1.4 : 1.2;
      brush.globalAlpha = point.class === null ? 0.35 + 0.65 * point.confidence : 1;
      if (point.class !== null) {
        brush.fillStyle = colour(k);
        brush.fill(shapes.get(k)!);
      }
      brush.strokeStyle = point.class === null ? colour(k) : around;
      brush.stroke(shapes.get(k)!);
    }
  }

  private look(event: MouseEvent): void {
    const box = this.canvas.getBoundingClientRect();
    const x = ((event.clientX - box.x) / box.width) * SIDE;
    const y = ((event.clientY - box.y) / box.height) * SIDE;
    const nearest = this.nearest(() => true, x, y);
    this.go(nearest && Math.hypot(nearest.px - x, nearest.py - y) < 24 ? nearest : null);
  }

  private nearest(fits: (point: Placed) => boolean, x: number, y: number): Placed | null {
    let best: Placed | null = null;
    for (const point of this.points) {
      if (fits(point) && (!best || Math.hypot(point.px - x, point.py - y) < Math.hypot(best.px - x, best.py - y))) best = point;
    }
    return best;
  }

  private pressed(event: KeyboardEvent): void {
    const way = ({ ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, -1], ArrowDown: [0, 1] } as Record<string, [number, number]>)[event.key];
    if (way) {
      event.preventDefault();
      const from = this.at;
      // The nearest point within 45 degrees of the arrow.
      const ahead = (point: Placed): boolean => {
        if (!from) return true;
        const along = (point.px - from.px) * way[0] + (point.py - from.py) * way[1];
        const beside = Math.abs((point.px - from.px) * way[1] + (point.py - from.py) * way[0]);
        return along > 0.5 && beside <= along;
      };
      const next = this.nearest(ahead, from?.px ?? SIDE / 2, from?.py ?? SIDE / 2);
      if (next) this.go(next);
    } else if (event.key === 'Enter' || event.key === ' ') {
      event.preventDefault();
      event.stopPropagation();
      this.open();
    }
  }

  private open(): void {
    if (this.at) this.context.open(this.at.item);
  }

  private go(point: Placed | null): void {
    if (point === this.at) return;
    this.at = point;
    this.draw();
    this.tip.hidden = !point;
    this.element.classList.toggle('on', point !== null);
    if (!point) return;
    const name = (k: number): string => this.context.project.classes[k] ?? String(k);
    const words = point.class === null ? t.point(point.item, name(point.likeliest), percent(point.confidence)) : t.pointLabelled(point.item, name(point.class));
    const isPicture = this.context.project.kind === 'pictures';
    put(this.tip, isPicture ? el('img', { src: thumbnail(point.item, 96), alt: '' }) : null, el('span', { dir: 'auto' }, words));
    this.tip.classList.toggle('low', point.py < SIDE / 2);
    this.tip.style.insetInlineStart = '0';
    this.words.textContent = words;
  }
}

function placed(points: MapPoint[]): Placed[] {
  const [left, right] = range(points.map((point) => point.x));
  const [bottom, top] = range(points.map((point) => point.y));
  const room = SIDE - 2 * EDGE;
  return points.map((point) => ({
    ...point,
    px: EDGE + ((point.x - left) / (right - left || 1)) * room,
    py: EDGE + ((top - point.y) / (top - bottom || 1)) * room,
  }));
}

function range(values: number[]): [number, number] {
  return values.reduce<[number, number]>(([low, high], value) => [Math.min(low, value), Math.max(high, value)], [Infinity, -Infinity]);
}
