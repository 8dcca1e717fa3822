/** A picture that can be looked at closely: zoom, move, contrast, invert. */
import { el, put } from './dom.ts';
import { icon } from './icons.ts';
import { choose, settings } from './settings.ts';
import { t } from './texts.ts';

/** A picture grows by itself to three times its size, and a small one to this many CSS pixels: a digit of 28 reads best like that. */
const COMFORTABLE = 460;
/** On a large screen to this share of the room. */
const ROOMY = 0.75;
const GROWS = 3;
const LARGEST_ZOOM = 40;

export class PictureView {
  readonly element: HTMLElement;
  private readonly frame = el('div', { class: 'frame', tabindex: 0, role: 'group', 'aria-label': t.moves });
  private readonly zoomText = el('span', { class: 'zoom-text' });
  private readonly contrastButton = el('button', { type: 'button', 'aria-keyshortcuts': 'c', onclick: () => this.contrast() }, icon('contrast'));
  private readonly invertButton = el('button', { type: 'button', 'aria-keyshortcuts': 'i', 'aria-label': t.invert, title: `${t.invert} (i)`, onclick: () => this.invert() }, icon('invert'));
  private image: HTMLImageElement | null = null;
  /** Display pixels a picture's pixel, beyond what fits. */
  private zoom = 1;
  private x = 0;
  private y = 0;
  /** The frame's size, kept: asking the page for it would lay the page out once more at every key. */
  private room = { width: 0, height: 0 };
  private readonly pointers = new Map<number, PointerEvent>();

  constructor() {
    const tools = el('div', { class: 'tools', role: 'toolbar', 'aria-label': t.moves },
      el('button', { type: 'button', 'aria-label': t.zoomOut, title: t.zoomOut, 'aria-keyshortcuts': '-', onclick: () => this.zoomBy(1 / 1.4) }, '−'),
      el('button', { type: 'button', title: t.fit, onclick: () => this.fit() }, this.zoomText),
      el('button', { type: 'button', 'aria-label': t.zoomIn, title: t.zoomIn, 'aria-keyshortcuts': '+', onclick: () => this.zoomBy(1.4) }, '+'),
      this.contrastButton, this.invertButton);
    this.element = el('div', { class: 'picture' }, this.frame, tools);
    this.listen();
    new ResizeObserver(([entry]) => {
      if (!entry) return;
      this.room = { width: entry.contentRect.width, height: entry.contentRect.height };
      this.place();
    }).observe(this.frame);
  }

  show(image: HTMLImageElement, id: string): void {
    this.image = image;
    image.alt = t.picture(id);
    image.draggable = false;
    [this.zoom, this.x, this.y] = [1, 0, 0];
    const isHere = image.complete && image.naturalWidth > 0;
    put(this.frame, isHere ? image : el('p', { class: 'nothing' }, t.loading));
    this.place();
    this.filter();
  }

  /** The picture has come, or can't. */
  loaded(image: HTMLImageElement): void {
    if (image !== this.image || image.parentElement === this.frame) return;
    put(this.frame, image.naturalWidth > 0 ? image : el('p', { class: 'nothing' }, t.unreadable));
    this.place();
    this.filter();
  }

  zoomBy(factor: number, x = 0, y = 0): void {
    const zoom = Math.min(Math.max(this.zoom * factor, 1), LARGEST_ZOOM);
    // What is under the pointer stays there.
    this.x = x - ((x - this.x) * zoom) / this.zoom;
    this.y = y - ((y - this.y) * zoom) / this.zoom;
    this.zoom = zoom;
    this.place();
  }

  fit(): void {
    [this.zoom, this.x, this.y] = [1, 0, 0];
    this.place();
  }

  contrast(): void {
    choose({ contrast: settings.contrast === 2 ? 0 : settings.contrast === 1 ? 2 : 1 });
    this.filter();
  }

  invert(): void {
    choose({ invert: !settings.invert });
    this.filter();
  }

  private place(): void {
    const { image, frame, room } = this;
    if (!image || image.naturalWidth === 0 || room.width === 0) return;
    const [width, height] = [image.naturalWidth, image.naturalHeight];
    const fits = Math.min(room.width / width, room.height / height);
    const base = Math.min(fits, Math.max(GROWS, Math.max(COMFORTABLE, ROOMY * Math.min(room.width, room.height)) / Math.max(width, height)));
    const scale = base * this.zoom;
    const reachX = Math.max(0, (width * scale - room.width) / 2);
    const reachY = Math.max(0, (height * scale - room.height) / 2);
    this.x = Math.min(Math.max(this.x, -reachX), reachX);
    this.y = Math.min(Math.max(this.y, -reachY), reachY);
    image.style.width = `${width * base}px`;
    image.style.height = `${height * base}px`;
    image.style.transform = `translate(${this.x}px, ${this.y}px) scale(${this.zoom})`;
    image.classList.toggle('pixelated', scale >= 2);
    frame.classList.toggle('moves', reachX > 0 || reachY > 0);
    frame.classList.toggle('zoomed', this.zoom > 1);
    this.zoomText.textContent = `${scale >= 10 ? Math.round(scale) : Math.round(scale * 100) / 100}×`;
  }

  private filter(): void {
    const { contrast, invert } = settings;
    this.contrastButton.ariaLabel = t.contrast[contrast] ?? '';
    this.contrastButton.title = `${t.contrast[contrast]} (c)`;
    this.contrastButton.dataset.strength = String(contrast);
    this.invertButton.setAttribute('aria-pressed', String(invert));
    if (!this.image || this.image.naturalWidth === 0) return;
    const steps = contrast > 0 ? stretch(this.image, contrast === 2 ? 2 : 1) : '';
    this.image.style.filter = [steps, invert ? 'invert(1)' : ''].join(' ').trim();
  }

  private listen(): void {
    const { frame } = this;
    frame.addEventListener('wheel', (event) => {
      event.preventDefault();
      const { x, y } = this.fromCentre(event);
      this.zoomBy(Math.exp(-event.deltaY * (event.ctrlKey ? 0.01 : 0.002)), x, y);
    }, { passive: false });
    frame.addEventListener('dblclick', () => this.fit());
    frame.addEventListener('pointerdown', (event) => {
      this.pointers.set(event.pointerId, event);
      if (this.zoom > 1) frame.setPointerCapture(event.pointerId);
    });
    frame.addEventListener('pointermove', (event) => this.moved(event));
    for (const end of ['pointerup', 'pointercancel', 'pointerleave'] as const) {
      frame.addEventListener(end, (event) => this.pointers.delete(event.pointerId));
    }
    frame.addEventListener('keydown', (event) => {
      const by = ({ ArrowLeft: [60, 0], ArrowRight: [-60, 0], ArrowUp: [0, 60], ArrowDown: [0, -60] } as Record<string, [number, number]>)[event.key];
      if (!by || this.zoom === 1) return;
      event.preventDefault();
      this.x += by[0];
      this.y += by[1];
      this.place();
    });
  }

  private moved(event: PointerEvent): void {
    const before = this.pointers.get(event.pointerId);
    if (!before) return;
    const other = [...this.pointers.values()].find((pointer) => pointer.pointerId !== event.pointerId);
    if (other) {
      const distance = (pointer: PointerEvent): number => Math.hypot(pointer.clientX - other.clientX, pointer.clientY - other.clientY);
      const { x, y } = this.fromCentre(other);
      this.zoomBy(distance(event) / Math.max(distance(before), 1), x, y);
    } else {
      this.x += event.clientX - before.clientX;
      this.y += event.clientY - before.clientY;
      this.place();
    }
    this.pointers.set(event.pointerId, event);
  }

  private fromCentre(event: MouseEvent): { x: number; y: number } {
    const box = this.frame.getBoundingClientRect();
    return { x: event.clientX - box.x - box.width / 2, y: event.clientY - box.y - box.height / 2 };
  }
}

/**
 * The filter that maps the first and last percent of the brightnesses to black and white, `times` as steep:
 * contrast(c) after brightness(b) is c·b·v + (1 − c)/2, and has to be s·(v − low).
 */
function stretch(image: HTMLImageElement, times: number): string {
  const side = 64;
  const canvas = el('canvas', { width: side, height: side });
  const context = canvas.getContext('2d', { willReadFrequently: true });
  if (!context) return '';
  context.drawImage(image, 0, 0, side, side);
  const { data } = context.getImageData(0, 0, side, side);
  const light = Array.from({ length: side * side }, (_, k) => (0.299 * data[4 * k]! + 0.587 * data[4 * k + 1]! + 0.114 * data[4 * k + 2]!) / 255);
  light.sort((a, b) => a - b);
  let low = light[Math.floor(light.length * 0.01)]!;
  const high = light[Math.ceil(light.length * 0.99) - 1]!;
  const slope = times / Math.max(high - low, 0.02);
  // Steeper still turns about the middle.
  low += ((high - low) * (1 - 1 / times)) / 2;
  const c = 1 + 2 * low * slope;
  return `brightness(${slope / c}) contrast(${c})`;
}
