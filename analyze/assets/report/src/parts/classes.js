// What fills the heap, class by class.
import {failed, h, name, section} from '../dom.js';
import {bytes, count, grouped} from '../format.js';
import {share} from '../bars.js';
import {table} from '../table.js';

const OWN = new Set(['instance', 'prototype', 'boilerplate']);

export function classes(report) {
  const found = report.classes;
  if (found.error) return section('classes', 'Classes', null, failed(found));
  const all = found.totals.shallow_bytes || 1;
  const live = report.outline.live_bytes || all;
  const missing = found.totals.rows - found.rows.length;
  return section('classes', 'Classes',
    `${grouped(found.totals.count)} objects of ${grouped(found.totals.rows)} classes. Shallow: the objects without what they refer to. Retained: what would be free if all of a class were gone.`,
    table({
      label: 'Classes',
      rows: found.rows,
      sort: 'retained',
      search: (row) => row.name,
      choices: {All: () => true, Program: (row) => OWN.has(row.kind), Functions: (row) => row.kind === 'function', 'V8 and text': (row) => !OWN.has(row.kind) && row.kind !== 'function'},
      columns: [
        {id: 'name', title: 'Class', wide: true, value: (row) => row.name,
          cell: (row) => [name(row.name), row.kind === 'instance' || row.kind === 'primitive' || row.kind === 'internal' ? null : h('span', {class: 'tag'}, row.kind)]},
        {id: 'count', title: 'Count', number: true, value: (row) => row.count, cell: (row) => count(row.count)},
        {id: 'shallow', title: 'Shallow', number: true, value: (row) => row.shallow_bytes, cell: (row) => [share(row.shallow_bytes / all), bytes(row.shallow_bytes)]},
        {id: 'retained', title: 'Retained', number: true, value: (row) => row.retained_bytes, cell: (row) => [share(row.retained_bytes / live), bytes(row.retained_bytes)]},
        {id: 'example', title: 'Example', mono: true, value: (row) => row.example || '', cell: (row) => row.example && h('code', {}, row.example)},
      ],
    }),
    missing > 0 && h('p', {class: 'note'}, `${grouped(missing)} small classes are left out: v8mini histogram --limit 0 shows all.`));
}
