// Tables that can be sorted, filtered and unfolded.
import {
  createTable, getCoreRowModel, getFilteredRowModel, getPaginationRowModel, getSortedRowModel,
} from '@tanstack/table-core';
import {h} from './dom.js';
import {grouped} from './format.js';

const PAGE = 30;

/**
 * A table. Each column has `id`, `title`, `value(row)` to sort by, perhaps `cell(row)` to show, `number` if it is one, and `wide`
 * if it takes the room that is left. `choices` are filters by a name: {label: row => boolean}.
 */
export function table({columns, rows, sort, search, choices, label, page = PAGE}) {
  let state = {
    sorting: sort ? [{id: sort, desc: true}] : [],
    globalFilter: '',
    pagination: {pageIndex: 0, pageSize: page},
  };
  let choice = choices && Object.keys(choices)[0];
  const options = {
    data: choices ? rows.filter(choices[choice]) : rows,
    columns: columns.map((column) => ({
      id: column.id,
      accessorFn: column.value,
      sortDescFirst: Boolean(column.number),
      sortUndefined: 'last',
      sortingFn: column.number ? 'basic' : 'alphanumeric',
    })),
    globalFilterFn: (row, _, text) => search(row.original).toLowerCase().includes(text),
    getColumnCanGlobalFilter: () => true,
    getCoreRowModel: getCoreRowModel(),
    getSortedRowModel: getSortedRowModel(),
    getFilteredRowModel: getFilteredRowModel(),
    getPaginationRowModel: getPaginationRowModel(),
    autoResetPageIndex: false,
    renderFallbackValue: null,
    onStateChange: () => {},
  };
  const model = createTable({...options, state: {}});
  model.setOptions((before) => ({
    ...before,
    state: {...model.initialState, ...state},
    onStateChange: (update) => {
      state = typeof update === 'function' ? update({...model.initialState, ...state}) : update;
      sync();
    },
  }));
  function sync() {
    model.setOptions((before) => ({...before, state: {...model.initialState, ...state}}));
    draw();
  }

  const head = h('tr', {});
  for (const column of columns) {
    const toggle = h('button', {
      type: 'button',
      onclick: (event) => model.getColumn(column.id).getToggleSortingHandler()(event),
    }, column.title);
    head.append(h('th', {scope: 'col', class: kind(column), 'data-column': column.id}, toggle));
  }
  const body = h('tbody', {});
  const status = h('p', {class: 'status', role: 'status'});
  const more = h('button', {type: 'button', class: 'more', onclick: () => grow(state.pagination.pageSize * 4)}, 'Show more');
  const all = h('button', {type: 'button', class: 'more', onclick: () => grow(rows.length)}, 'Show all');
  function grow(pageSize) {
    state = {...state, pagination: {pageIndex: 0, pageSize}};
    sync();
  }
  function draw() {
    const shown = model.getRowModel().rows;
    body.replaceChildren(...shown.map((row) => h('tr', {}, columns.map((column, index) => {
      const cell = column.cell ? column.cell(row.original) : column.value(row.original);
      return h(index === 0 && column.wide ? 'th' : 'td',
        {class: kind(column), scope: index === 0 && column.wide ? 'row' : null}, cell ?? '–');
    }))));
    const found = model.getFilteredRowModel().rows.length;
    if (found === 0) body.append(h('tr', {}, h('td', {colspan: columns.length, class: 'empty'}, 'Nothing matches.')));
    status.textContent = shown.length === rows.length ? '' : found === rows.length
      ? `${grouped(shown.length)} of ${grouped(rows.length)} rows` : `${grouped(shown.length)} of ${grouped(found)} that match`;
    more.hidden = all.hidden = shown.length >= found;
    for (const cell of head.children) {
      const order = model.getColumn(cell.dataset.column).getIsSorted();
      if (order) cell.setAttribute('aria-sort', order === 'desc' ? 'descending' : 'ascending');
      else cell.removeAttribute('aria-sort');
    }
  }
  const controls = search && rows.length > 8 && h('div', {class: 'controls'},
    h('input', {
      type: 'search', placeholder: 'Filter', 'aria-label': `Filter: ${label}`, spellcheck: 'false', autocomplete: 'off',
      oninput: (event) => {
        state = {...state, globalFilter: event.target.value.toLowerCase() || ''};
        sync();
      },
    }),
    choices && h('div', {class: 'choices', role: 'group', 'aria-label': 'Which rows'}, Object.keys(choices).map((title) => h('button', {
      type: 'button', 'aria-pressed': String(title === choice),
      onclick: (event) => {
        choice = title;
        for (const other of event.target.parentNode.children) other.setAttribute('aria-pressed', String(other === event.target));
        model.setOptions((before) => ({...before, data: rows.filter(choices[title])}));
        sync();
      },
    }, title))));
  // What is printed has no buttons: it shows a good part at once.
  let before;
  addEventListener('beforeprint', () => {
    before = state;
    grow(Math.max(state.pagination.pageSize, 50));
  });
  addEventListener('afterprint', () => {
    state = before || state;
    sync();
  });
  draw();
  return h('div', {class: 'table'}, controls,
    h('div', {class: 'scroll', tabindex: '0', role: 'region', 'aria-label': label},
      h('table', {}, h('thead', {}, head), body)),
    h('div', {class: 'below'}, status, more, all));
}

function kind(column) {
  return [column.number && 'number', column.wide && 'wide', column.mono && 'mono', column.short && 'short'].filter(Boolean).join(' ') || null;
}
