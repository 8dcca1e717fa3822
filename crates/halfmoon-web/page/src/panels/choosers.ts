/** The rule that asks and the model that learns. */
import type { Named } from '../api.ts';
import { el } from '../dom.ts';
import { t } from '../texts.ts';
import type { Panel } from './panel.ts';

export const rule: Panel = {
  id: 'rule',
  title: t.rule,
  open: false,
  draw: ({ project, choose }) => [chooser('rule', t.rule, project.rules, project.rule, (name) => choose({ rule: name }))],
};

export const model: Panel = {
  id: 'model',
  title: t.model,
  open: false,
  draw: ({ project, choose }) => [chooser('model', t.model, project.models, project.model.name, (name) => choose({ model: name }))],
};

function chooser(group: string, legend: string, names: Named[], chosen: string, choose: (name: string) => void): HTMLElement {
  return el('fieldset', {}, el('legend', { class: 'hidden' }, legend), ...names.map(({ name, about }) => el('label', { class: 'choice' },
    el('input', { type: 'radio', name: group, value: name, checked: name === chosen, onchange: () => choose(name) }),
    el('span', {}, el('strong', {}, name), ' ', el('span', { class: 'quiet' }, about)))));
}
