// Figures for people; the exact ones are in the tooltip, and everywhere if asked for.
import {h} from './dom.js';

const grouping = new Intl.NumberFormat('en-US');
const UNITS = ['KiB', 'MiB', 'GiB', 'TiB'];

export function grouped(number) {
  return grouping.format(number);
}

export function bytesText(bytes) {
  const sign = bytes < 0 ? '−' : '';
  let value = Math.abs(bytes);
  if (value < 1024) return `${sign}${value} B`;
  let unit = -1;
  while (value >= 1024 && unit < UNITS.length - 1) {
    value /= 1024;
    unit += 1;
  }
  return `${sign}${value.toFixed(value < 10 ? 2 : value < 100 ? 1 : 0)} ${UNITS[unit]}`;
}

/** Bytes: in a unit, or exactly. */
export function bytes(number, signed) {
  if (number === null || number === undefined) return h('span', {class: 'none'}, '–');
  const plus = signed && number > 0 ? '+' : '';
  const human = plus + bytesText(number);
  const exact = plus + grouped(number).replace('-', '−');
  return h('data', {class: 'bytes', value: number, title: `${exact} bytes`, 'data-human': human, 'data-exact': exact},
    document.documentElement.hasAttribute('data-exact') ? exact : human);
}

/** Shows all bytes exactly, or in units. */
export function showExact(exact) {
  document.documentElement.toggleAttribute('data-exact', exact);
  for (const element of document.querySelectorAll('data.bytes')) {
    element.textContent = exact ? element.dataset.exact : element.dataset.human;
  }
}

export function count(number, signed) {
  const plus = signed && number > 0 ? '+' : '';
  return plus + grouped(number).replace('-', '−');
}

/** A part of 1; it says 100 only if it is. */
export function percent(part) {
  if (!Number.isFinite(part)) return '–';
  const value = part * 100;
  if (value >= 99.95 && value < 100) return '99.9 %';
  return `${value >= 10 || value === 0 ? value.toFixed(value === 100 ? 0 : 1) : value.toFixed(2)} %`;
}

export function duration(ns) {
  if (ns === null || ns === undefined) return '–';
  if (ns < 1e6) return `${(ns / 1e3).toFixed(0)} µs`;
  if (ns < 1e9) return `${(ns / 1e6).toFixed(2)} ms`;
  return seconds(ns / 1e9);
}

export function seconds(all) {
  if (all < 120) return `${all.toFixed(all < 10 ? 2 : 0)} s`;
  const days = Math.floor(all / 86400), hours = Math.floor(all / 3600) % 24, minutes = Math.floor(all / 60) % 60;
  return [days && `${days} d`, hours && `${hours} h`, minutes && `${minutes} min`].filter(Boolean).join(' ');
}

/** A moment of time as it was in UTC. */
export function moment(text) {
  const time = new Date(text);
  return Number.isNaN(time.getTime()) ? text : `${time.toISOString().slice(0, 19).replace('T', ' ')} UTC`;
}

export function plural(number, one, many = `${one}s`) {
  return `${grouped(number)} ${number === 1 ? one : many}`;
}
