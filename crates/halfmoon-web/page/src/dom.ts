/** Making elements. Text goes in as text nodes, never as markup, whatever a name or a cell holds. */

export type Child = Node | string | number | null | undefined | false;
type Attribute = string | number | boolean | null | undefined | ((event: never) => void);
export type Attributes = Record<string, Attribute>;

/** An element. `true` sets an empty attribute, `false` and `null` none; a function listens (`onclick`). */
export function el<K extends keyof HTMLElementTagNameMap>(tag: K, attributes: Attributes = {}, ...children: Child[]): HTMLElementTagNameMap[K] {
  return dress(document.createElement(tag), attributes, children);
}

/** The same for a drawing. */
export function svg<K extends keyof SVGElementTagNameMap>(tag: K, attributes: Attributes = {}, ...children: Child[]): SVGElementTagNameMap[K] {
  return dress(document.createElementNS('http://www.w3.org/2000/svg', tag), attributes, children);
}

/** A name, an id or a cell that a person wrote: it keeps its own writing direction. */
export function said(text: string, tag: 'bdi' | 'span' = 'bdi', attributes: Attributes = {}): HTMLElement {
  return el(tag, { dir: 'auto', ...attributes }, text);
}

/** An item's id. A path runs from left to right, whatever each part is written in. */
export function fileName(id: string): HTMLElement {
  return el('span', { class: 'file-name quiet', title: id }, el('bdi', { dir: 'ltr' }, ...id.split('/').flatMap((part, k) => [k ? '/' : null, said(part)])));
}

/** With a capital letter. */
export function sentence(words: string): string {
  return words.charAt(0).toUpperCase() + words.slice(1);
}

export function put(parent: Element, ...children: Child[]): void {
  parent.replaceChildren(...children.filter(isNode).map(asNode));
}

function dress<E extends Element>(element: E, attributes: Attributes, children: Child[]): E {
  for (const [name, value] of Object.entries(attributes)) {
    if (typeof value === 'function') element.addEventListener(name.slice(2), value as EventListener);
    else if (value === true) element.setAttribute(name, '');
    else if (value !== false && value !== null && value !== undefined) element.setAttribute(name, String(value));
  }
  element.append(...children.filter(isNode).map(asNode));
  return element;
}

function isNode(child: Child): child is Node | string | number {
  return child !== null && child !== undefined && child !== false;
}

function asNode(child: Node | string | number): Node | string {
  return typeof child === 'number' ? String(child) : child;
}
