// Stacked bars: what a whole is made of.
import {h} from './dom.js';
import {bytes, bytesText, percent} from './format.js';

/** A bar of `parts` with `name`, `value` and perhaps `title`, with its legend; parts of nothing are left out. */
export function stackedBar(label, parts, total) {
  const shown = parts.filter((part) => part.value > 0).sort((a, b) => b.value - a.value);
  const sum = total || shown.reduce((all, part) => all + part.value, 0) || 1;
  return h('figure', {class: 'stacked'},
    h('figcaption', {}, h('span', {}, label), bytes(sum)),
    h('div', {class: 'bar', 'aria-hidden': 'true'}, shown.map((part, index) => h('div', {
      class: `part color-${index % 8}`,
      title: `${part.name}: ${bytesText(part.value)}, ${percent(part.value / sum)}`,
      style: {'flex-grow': String(part.value)},
    }))),
    h('ul', {class: 'legend'}, shown.map((part, index) => h('li', {title: part.title || null},
      h('span', {class: `swatch color-${index % 8}`, 'aria-hidden': 'true'}),
      h('span', {class: 'what'}, part.name), bytes(part.value), h('span', {class: 'share'}, percent(part.value / sum))))));
}

/** A thin bar for a part of 1, beside a figure. */
export function share(part) {
  return h('span', {class: 'share-bar', 'aria-hidden': 'true'}, h('span', {style: {width: `${Math.min(1, part || 0) * 100}%`}}));
}
