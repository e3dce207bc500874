// Strings and waste.
import {command, failed, h, name, notice, section, visible} from '../dom.js';
import {bytes, count, grouped, plural} from '../format.js';
import {share} from '../bars.js';
import {table} from '../table.js';

export function strings(report) {
  const found = report.texts;
  if (found.error) return section('strings', 'Strings', null, failed(found));
  const all = found.kinds.reduce((sum, kind) => sum + kind.heap_bytes + kind.outside_bytes, 0);
  const number = found.kinds.reduce((sum, kind) => sum + kind.count, 0);
  const shown = report.strings;
  const text = (field, length) => ({
    id: 'text', title: 'Text', wide: true, value: (row) => row[field] || '',
    cell: (row) => literal(row[field], row[length], shown),
  });
  const figure = (id, title, show = count) => ({id, title, number: true, value: (row) => row[id], cell: (row) => show(row[id])});
  const address = (id = 'address', title = 'Address') => ({id, title, mono: true, value: (row) => row[id], cell: (row) => h('code', {}, row[id])});
  const {duplicates, slices, concatenations, one_byte_in_two: narrowable} = found;
  return section('strings', 'Strings', `${grouped(number)} strings.`,
    h('p', {class: 'lead'}, bytes(all), ' in all; ', bytes(duplicates.wasted_bytes), ' in copies of texts that are there already.'),
    !shown && notice('Contents of strings were left out of this report.'),
    part('How they are stored', found.kinds, 'No strings.', {
      columns: [
        {id: 'representation', title: 'Stored as', wide: true, value: (row) => row.representation,
          cell: (row) => [row.representation, row.internalized && h('span', {class: 'tag'}, 'internalized')]},
        figure('count', 'Count'), figure('heap_bytes', 'On the heap', bytes), figure('outside_bytes', 'Outside', bytes),
      ], sort: 'heap_bytes',
    }, true),
    part(`Equal texts: ${plural(duplicates.texts, 'text')} in ${grouped(duplicates.copies)} copies`, duplicates.rows, 'No two strings have the same text.', {
      columns: [text('text', 'length'), figure('copies', 'Copies'), figure('length', 'Length'), figure('wasted_bytes', 'Wasted', bytes)],
      sort: 'wasted_bytes',
    }, true),
    part('Longest', found.longest, 'No strings.', {
      columns: [text('text', 'length'), figure('length', 'Length'), figure('bytes', 'Bytes', bytes), address()], sort: 'bytes',
    }),
    part(`Slices: ${plural(slices.parents, 'string')} pinned by ${plural(slices.slices, 'slice')}`, slices.rows, 'No slices.', {
      columns: [text('example_text', 'example_length'), figure('slices', 'Slices'), figure('used_units', 'Used'), figure('bytes', 'Bytes', bytes),
        figure('pinned_bytes', 'Pinned', bytes), address('address', 'Cut from')],
      sort: 'pinned_bytes',
    }),
    part(`Concatenations never flattened: ${grouped(concatenations.count)}, of ${plural(concatenations.nodes, 'node')}`, concatenations.rows, 'None.', {
      columns: [text('text', 'length'), figure('depth', 'Depth'), figure('nodes', 'Nodes'), figure('length', 'Length'), figure('bytes', 'Bytes', bytes), address()],
      sort: 'bytes',
    }),
    part(`Two bytes a character where one would do: ${plural(narrowable.count, 'string')}`, narrowable.rows, 'None.', {
      columns: [text('text', 'length'), figure('length', 'Length'), figure('bytes', 'Bytes', bytes), address()], sort: 'bytes',
    }));
}

function part(title, rows, empty, options, open) {
  return h('details', {open: open && rows.length > 0}, h('summary', {}, title),
    rows.length === 0 ? notice(empty) : table({label: title, rows, page: 10, ...options}));
}

function literal(text, length, shown) {
  if (text === null || text === undefined) return h('span', {class: 'none'}, shown ? '–' : 'left out');
  const whole = visible(JSON.stringify(text).slice(1, -1));
  const limit = 110;
  const cut = whole.length > limit;
  return h('code', {class: 'text', title: cut ? whole : null}, `"${cut ? whole.slice(0, limit) : whole}"`,
    (cut || text.length < length) && h('span', {class: 'none'}, '…'));
}

export function waste(report) {
  const found = report.waste;
  if (found.error) return section('waste', 'Waste', null, failed(found));
  const lead = 'Memory that is taken and not used, by reason.';
  if (found.categories.length === 0) return section('waste', 'Waste', lead, notice('Nothing is wasted that is worth a word.'));
  const most = found.categories[0].wasted_bytes || 1;
  return section('waste', 'Waste', lead, h('ul', {class: 'waste'}, found.categories.map((category) => h('li', {}, h('details', {},
    h('summary', {}, bytes(category.wasted_bytes), share(category.wasted_bytes / most), h('span', {class: 'what'}, `${grouped(category.count)} × ${category.title}`)),
    h('div', {class: 'scroll'}, h('table', {}, h('tbody', {}, category.examples.map((example) => h('tr', {},
      h('td', {class: 'number'}, bytes(example.wasted_bytes)), h('td', {}, name(example.class, 60)), h('td', {class: 'mono'}, h('code', {}, example.address)),
      h('td', {class: 'wide'}, example.detail && h('bdi', {}, example.detail))))))),
    h('p', {class: 'commands'}, command(category.next)))))));
}
