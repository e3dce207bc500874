// A tree as boxes, each as wide as what it stands for: to be zoomed, searched, and walked by keys.
import {hierarchy, partition} from 'd3-hierarchy';
import {h, visible} from './dom.js';
import {percent} from './format.js';

/** Narrower boxes, as parts of the whole width, are left out until one zooms in. */
const VISIBLE = 0.0012;
/** Levels that are drawn below the box that is zoomed in on. */
const LEVELS = 40;
/** Narrower boxes, in pixels, have no room for a name. */
const LABEL = 26;

/**
 * Draws `data`: nodes with `name`, `value`, `color` (a number, or `null` for what is not the program's), and `children`. `details`
 * makes what is shown of a chosen node, `amount` the text of a value.
 */
export function icicle({data, label, amount, details}) {
  const root = partition()(
    hierarchy(data).sum((node) => node.own).sort(before));
  const total = root.value || 1;
  let focus = root;
  let chosen = root;
  let wanted = '';
  const boxes = h('div', {class: 'boxes', role: 'tree', 'aria-label': label});
  const crumbs = h('nav', {class: 'crumbs', 'aria-label': 'Zoomed in on'});
  const info = h('div', {class: 'details', 'aria-live': 'polite'});
  const matches = h('output', {class: 'matches'});
  let drawn = new Map();

  function isMatch(node) {
    return wanted !== '' && node.data.name.toLowerCase().includes(wanted);
  }
  function draw() {
    drawn = new Map();
    const width = focus.x1 - focus.x0 || 1;
    const pixels = boxes.clientWidth || 1100;
    const ancestors = focus.ancestors().reverse();
    const list = [];
    for (const node of ancestors.slice(0, -1)) list.push([node, 0, 1, node.depth]);
    const open = [focus];
    let bottom = focus.depth;
    while (open.length > 0) {
      const node = open.pop();
      const left = (node.x0 - focus.x0) / width, part = (node.x1 - node.x0) / width;
      if (part < VISIBLE || node.depth - focus.depth > LEVELS) continue;
      list.push([node, left, part, node.depth]);
      bottom = Math.max(bottom, node.depth);
      if (node.children) open.push(...[...node.children].reverse());
    }
    boxes.style.setProperty('--levels', bottom + 1);
    boxes.replaceChildren(...list.map(([node, left, part, level]) => {
      const {name, color} = node.data;
      const box = h('div', {
        class: `box ${color === null || color === undefined ? 'plain' : `color-${color}`}`
          + (node.depth < focus.depth ? ' above' : '') + (isMatch(node) ? ' match' : ''),
        role: 'treeitem',
        'aria-level': level + 1,
        'aria-label': `${name}, ${amount(node.value)}`,
        'aria-expanded': node.children ? 'true' : null,
        'aria-selected': String(node === chosen),
        tabindex: node === chosen ? '0' : '-1',
        title: `${name}\n${amount(node.value)}, ${percent(node.value / total)}`,
        style: {left: `${left * 100}%`, width: `${part * 100}%`, top: `calc(${level} * var(--row))`},
        onclick: () => {
          choose(node);
          zoom(node === focus && node.parent ? node.parent : node);
        },
        onfocus: () => choose(node),
      }, part * pixels > LABEL && h('bdi', {}, visible(name)));
      drawn.set(node, box);
      return box;
    }));
    crumbs.replaceChildren(...ancestors.map((node, index) => h('button', {
      type: 'button', 'aria-current': index === ancestors.length - 1 ? 'true' : null, onclick: () => zoom(node),
    }, h('bdi', {}, visible(node.data.name)))));
  }
  function choose(node) {
    if (node === chosen && info.childElementCount > 0) return;
    const before = drawn.get(chosen), now = drawn.get(node);
    if (before) {
      before.tabIndex = -1;
      before.setAttribute('aria-selected', 'false');
    }
    if (now) {
      now.tabIndex = 0;
      now.setAttribute('aria-selected', 'true');
    }
    chosen = node;
    info.replaceChildren(...details(node.data, node.value / total, node.parent && node.value / (node.parent.value || 1)));
  }
  function zoom(node) {
    const hadFocus = boxes.contains(document.activeElement);
    focus = node;
    if (!inside(chosen)) choose(node);
    draw();
    if (!drawn.has(chosen)) {
      choose(node);
      draw();
    }
    if (hadFocus) go(chosen);
  }
  function inside(node) {
    return node.depth <= focus.depth ? focus.ancestors().includes(node) : node.x0 >= focus.x0 && node.x1 <= focus.x1;
  }
  function go(node) {
    const box = node && drawn.get(node);
    if (!box) return;
    choose(node);
    box.focus({preventScroll: true});
    box.scrollIntoView({block: 'nearest', inline: 'nearest'});
  }
  function beside(step) {
    // Those of one level, from left to right.
    const level = [...drawn.keys()].filter((node) => node.depth === chosen.depth).sort((a, b) => a.x0 - b.x0);
    return level[level.indexOf(chosen) + step];
  }
  const keys = {
    ArrowUp: () => go(chosen.parent),
    ArrowDown: () => go((chosen.children || []).find((node) => drawn.has(node))),
    ArrowLeft: () => go(beside(-1)),
    ArrowRight: () => go(beside(1)),
    Enter: () => zoom(chosen),
    ' ': () => zoom(chosen),
    Escape: () => zoom(focus.parent || focus),
    Backspace: () => zoom(focus.parent || focus),
    Home: () => {
      zoom(root);
      go(root);
    },
  };
  boxes.addEventListener('keydown', (event) => {
    const act = keys[event.key];
    if (!act || event.ctrlKey || event.altKey || event.metaKey) return;
    event.preventDefault();
    act();
  });
  function find(text) {
    wanted = text.toLowerCase();
    let sum = 0, number = 0;
    const open = [root];
    while (wanted && open.length > 0) {
      const node = open.pop();
      // What is within a match is part of it.
      if (isMatch(node)) {
        sum += node.value;
        number += 1;
      } else if (node.children) open.push(...node.children);
    }
    matches.textContent = wanted ? (number ? `${number} found: ${amount(sum)}, ${percent(sum / total)}` : 'nothing found') : '';
    draw();
  }
  const controls = h('div', {class: 'controls'},
    h('input', {
      type: 'search', placeholder: 'Highlight', 'aria-label': `Highlight in: ${label}`, spellcheck: 'false',
      oninput: (event) => find(event.target.value),
    }), matches, h('button', {type: 'button', class: 'reset', onclick: () => zoom(root)}, 'Reset zoom'),
    h('p', {class: 'hint'}, 'Click or Enter zooms in, Escape zooms out; arrows move.'));
  draw();
  choose(root);
  // How many names have room is known when there is a place for them.
  let width = 0;
  new ResizeObserver(() => {
    if (boxes.clientWidth === width) return;
    width = boxes.clientWidth;
    draw();
  }).observe(boxes);
  return h('div', {class: 'icicle'}, controls, crumbs, h('div', {class: 'boxes-scroll'}, boxes), info);
}

/** By `rank`, if there is one, then the largest first. */
function before(a, b) {
  return (a.data.rank || 0) - (b.data.rank || 0) || b.value - a.value || (a.data.name < b.data.name ? -1 : 1);
}

/** A number of a colour for a name: always the same. */
export function colorOf(text) {
  let hash = 2166136261;
  for (let index = 0; index < text.length; index += 1) hash = Math.imul(hash ^ text.charCodeAt(index), 16777619);
  return (hash >>> 0) % 8;
}
