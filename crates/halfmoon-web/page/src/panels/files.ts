/** Labels out and in. */
import { exported } from '../api.ts';
import { el } from '../dom.ts';
import { t } from '../texts.ts';
import type { Panel } from './panel.ts';

const FORMATS = [['csv', 'CSV'], ['jsonl', 'JSON Lines'], ['label-studio', 'Label Studio']] as const;

export const files: Panel = {
  id: 'files',
  title: t.files,
  open: false,
  draw: (context) => {
    const file = el('input', { type: 'file', accept: '.csv,.json,.jsonl,.ndjson,.tsv', id: 'import-file', onchange: () => {
      const [chosen] = file.files ?? [];
      if (chosen) context.import(chosen);
      file.value = '';
    } });
    return [
      el('p', {}, t.export),
      el('p', { class: 'row' }, ...FORMATS.map(([format, name]) => el('a', { class: 'plain', href: exported(format), download: true }, name))),
      el('p', {}, el('label', { for: 'import-file' }, t.import, ' ', el('span', { class: 'quiet' }, t.importHelp))),
      file,
    ];
  },
};
