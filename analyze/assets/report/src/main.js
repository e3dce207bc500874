// Draws the report from the document that is in the page.
import {h} from './dom.js';
import {showExact} from './format.js';
import {classes} from './parts/classes.js';
import {dominators} from './parts/dominators.js';
import {growth} from './parts/growth.js';
import {stacks} from './parts/stacks.js';
import {strings, waste} from './parts/strings.js';
import {summary} from './parts/summary.js';
import {suspects} from './parts/suspects.js';

const report = JSON.parse(document.getElementById('document').textContent);
const root = document.documentElement;

/** A part that cannot be drawn does not take the others with it. */
function draw(part) {
  try {
    return part(report);
  } catch (error) {
    console.error(error);
    return h('section', {}, h('p', {class: 'notice warning'}, `A part of this report cannot be drawn: ${error.message}`));
  }
}

const sections = [summary, growth, suspects, dominators, classes, strings, waste, stacks].map(draw).filter(Boolean);

const dark = matchMedia('(prefers-color-scheme: dark)');
const theme = h('button', {
  type: 'button', class: 'theme',
  onclick: () => setTheme(current() === 'dark' ? 'light' : 'dark'),
});
function current() {
  return root.dataset.theme || (dark.matches ? 'dark' : 'light');
}
function setTheme(name) {
  if (name) root.dataset.theme = name;
  theme.textContent = current() === 'dark' ? 'Light' : 'Dark';
  theme.setAttribute('aria-label', `Switch to ${current() === 'dark' ? 'light' : 'dark'} colours`);
}
dark.addEventListener('change', () => setTheme());
setTheme();

const exact = h('button', {
  type: 'button', 'aria-pressed': 'false', class: 'exact',
  onclick: () => {
    const pressed = exact.getAttribute('aria-pressed') !== 'true';
    exact.setAttribute('aria-pressed', String(pressed));
    showExact(pressed);
  },
}, 'Exact bytes');

const process = (report.info && report.info.process) || {};
const file = report.files[report.files.length - 1];
document.getElementById('report').append(
  h('a', {class: 'skip', href: '#summary'}, 'Skip to the summary'),
  h('header', {},
    h('div', {class: 'bar-top'},
      h('h1', {}, h('span', {class: 'brand'}, 'v8mini'), ' ', h('bdi', {}, process.name ? `${process.name} ${process.pid}` : file)),
      h('div', {class: 'tools'}, exact, theme)),
    h('nav', {class: 'contents', 'aria-label': 'Contents'}, sections.map((section) => {
      const title = section.querySelector('h2');
      return title && h('a', {href: `#${section.id}`}, title.textContent);
    }))),
  h('main', {}, sections),
  h('footer', {}, h('p', {}, `${report.generator} report, about `, h('bdi', {}, file), '. It loads nothing and sends nothing; it holds what the heap held: names',
    report.strings ? ', texts and lines of source, so share it as you would share the capture.' : ', but no contents of strings.')));

// What is folded away is printed all the same.
addEventListener('beforeprint', () => {
  for (const details of document.querySelectorAll('details:not([open])')) {
    details.open = true;
    details.dataset.printed = '';
  }
});
addEventListener('afterprint', () => {
  for (const details of document.querySelectorAll('details[data-printed]')) {
    details.open = false;
    delete details.dataset.printed;
  }
});
root.dataset.ready = '';
