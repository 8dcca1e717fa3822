/** The dialogs: the name, the help, the settings, a class. */
import { type Imported, Problem } from './api.ts';
import { el, put, said } from './dom.ts';
import { applyTheme, choose, settings, type Settings } from './settings.ts';
import { LANGUAGES, t } from './texts.ts';

function dialog(title: string, ...children: (Node | null)[]): HTMLDialogElement {
  const name = `title-${Math.random().toString(36).slice(2)}`;
  const made = el('dialog', { 'aria-labelledby': name }, el('h2', { id: name }, title), ...children);
  made.addEventListener('close', () => made.remove());
  made.addEventListener('click', (event) => {
    // The backdrop is the dialog itself, outside of its box.
    const box = made.getBoundingClientRect();
    const isOutside = event.clientX < box.left || event.clientX > box.right || event.clientY < box.top || event.clientY > box.bottom;
    if (event.target === made && isOutside && made.dataset.stays === undefined) made.close();
  });
  document.body.append(made);
  made.showModal();
  return made;
}

const button = (words: string, press: () => void, kind = 'plain'): HTMLButtonElement => el('button', { type: 'button', class: kind, onclick: press }, words);

/** Asks for the name, once; resolves when there is one. */
export function askName(project: string, refused = ''): Promise<void> {
  return new Promise((resolve) => {
    const input = el('input', { type: 'text', id: 'your-name', name: 'name', maxlength: 100, required: true, autocomplete: 'name', dir: 'auto', autofocus: true, value: settings.annotator });
    const form = el('form', { method: 'dialog', onsubmit: (event: Event) => {
      const name = input.value.trim();
      if (!name) {
        event.preventDefault();
        input.focus();
        return;
      }
      choose({ annotator: name });
      resolve();
    } }, el('label', { for: 'your-name' }, t.name), input, refused ? el('p', { class: 'trouble', role: 'alert' }, refused) : null, el('div', { class: 'row end' }, el('button', { class: 'main' }, t.begin)));
    const made = dialog(t.nameTitle, el('p', { class: 'quiet' }, said(project)), el('p', {}, t.nameHelp), form);
    made.dataset.stays = '';
    made.addEventListener('cancel', (event) => {
      if (!settings.annotator) event.preventDefault();
    });
  });
}

export function showHelp(): void {
  const list = el('dl', { class: 'keys' }, ...t.helpKeys.flatMap(([keys, what]) => [
    el('dt', {}, ...keys.split(/(?:, | )/).map((key) => el('kbd', {}, key.length === 1 ? key.toUpperCase() : key))), el('dd', {}, what)]));
  const made = dialog(t.helpTitle, el('p', {}, t.helpText), list, el('div', { class: 'row end' }, button(t.close, () => made.close(), 'main')));
}

export function showSettings(changed: () => void): void {
  const themes = el('select', { id: 'theme', onchange: () => {
    choose({ theme: themes.value as Settings['theme'] });
    applyTheme();
    changed();
  } }, ...Object.entries(t.themes).map(([value, name]) => el('option', { value, selected: settings.theme === value }, name)));
  const languages = el('select', { id: 'language', onchange: () => {
    choose({ language: languages.value as Settings['language'] });
    // Nothing is lost by loading the page again.
    location.reload();
  } }, el('option', { value: '' }, t.automatic), ...Object.entries(LANGUAGES).map(([value, { language }]) => el('option', { value, lang: value, selected: settings.language === value }, language)));
  const tick = (key: 'showSaid' | 'shortcuts', words: string, more: string | null): HTMLElement => el('label', { class: 'choice' },
    el('input', { type: 'checkbox', checked: settings[key], onchange: (event: Event) => {
      choose({ [key]: (event.target as HTMLInputElement).checked });
      changed();
    } }), el('span', {}, words, more ? el('span', { class: 'quiet' }, ` ${more}`) : null));
  const name = el('input', { type: 'text', id: 'settings-name', maxlength: 100, dir: 'auto', value: settings.annotator, onchange: () => {
    if (name.value.trim()) choose({ annotator: name.value.trim() });
  } });
  const made = dialog(t.settings,
    el('div', { class: 'form' }, el('label', { for: 'settings-name' }, t.name), name, el('label', { for: 'theme' }, t.theme), themes, el('label', { for: 'language' }, t.languageName), languages),
    tick('showSaid', t.showSaid, t.showSaidHelp), tick('shortcuts', t.shortcuts, null),
    el('div', { class: 'row end' }, button(t.close, () => made.close(), 'main')));
}

/** What an import came to; `again` tries once more with the classes that are not known. */
export function showImported(told: Imported, again: (() => void) | null): void {
  const rows = [[t.importedNew, told.new], [t.importedAlready, told.already], [t.importedLeft, told.left_out]] as const;
  const list = (all: string[]): HTMLElement | null => (all.length ? el('ul', { class: 'notes' }, ...all.slice(0, 8).map((words) => el('li', { dir: 'auto' }, words))) : null);
  const made = dialog(t.imported,
    el('table', {}, el('tbody', {}, ...rows.map(([name, n]) => el('tr', {}, el('th', { scope: 'row' }, name), el('td', {}, n))))),
    list([...told.problems, ...told.conflicts].map(({ place, reason }) => `${place}: ${reason}`)), list(told.notes),
    el('div', { class: 'row end' }, again && told.left_out > 0 ? button(t.withNewClasses, () => {
      made.close();
      again();
    }) : null, button(t.close, () => made.close(), 'main')));
}

/** Asks for a new class. `create` makes it, and gives it to the item where `use` is true. */
export function askClass(hasItem: boolean, typed: string, create: (name: string, really: boolean, use: boolean) => Promise<void>): void {
  const input = el('input', { type: 'text', id: 'class-name', maxlength: 200, required: true, autocomplete: 'off', dir: 'auto', autofocus: true, value: typed });
  const trouble = el('p', { class: 'trouble', role: 'alert' });
  const anyway = button(t.createAnyway, () => void go(true, hasItem));
  anyway.hidden = true;
  const go = async (really: boolean, use: boolean): Promise<void> => {
    const name = input.value.trim();
    if (!name) return input.focus();
    try {
      await create(name, really, use);
      made.close();
    } catch (problem) {
      if (!(problem instanceof Problem)) throw problem;
      anyway.hidden = problem.status !== 409;
      put(trouble, [problem.message, problem.hint].filter(Boolean).join(' '));
    }
  };
  const form = el('form', { onsubmit: (event: Event) => {
    event.preventDefault();
    void go(false, hasItem);
  } }, el('label', { for: 'class-name' }, t.className), input, trouble,
  el('div', { class: 'row end' }, button(t.cancel, () => made.close()), anyway, hasItem ? button(t.createOnly, () => void go(false, false)) : null, el('button', { class: 'main' }, hasItem ? t.createAndLabel : t.createOnly)));
  const made = dialog(t.newClass, form);
}
