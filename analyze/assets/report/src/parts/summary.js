// What was captured, and how far it can be trusted.
import {failed, h, section} from '../dom.js';
import {bytes, count, duration, moment, percent, plural, seconds} from '../format.js';
import {stackedBar} from '../bars.js';

export function summary(report) {
  const {info, outline, classes} = report;
  if (info.error) return section('summary', 'Summary', null, failed(info));
  const {process, capture, coverage} = info;
  const resident = info.memory.reduce((sum, part) => sum + part.resident_bytes, 0);
  const committed = info.spaces.reduce((sum, part) => sum + part.committed_bytes, 0);
  const tiles = [
    !outline.error && tile('Alive', bytes(outline.live_bytes), `${count(outline.live_objects)} objects that the roots lead to`),
    !outline.error && tile('Dead, not yet swept', bytes(outline.dead_bytes), plural(outline.dead_objects, 'object')),
    tile('V8 heap', bytes(committed), `committed, in ${plural(info.isolates.length, 'isolate')}`),
    resident > 0 && tile('Process', bytes(resident), 'resident, all kinds of memory'),
    capture.pause_ns !== undefined && tile('Pause', duration(capture.pause_ns), `for which the process stood still (mode ${capture.mode})`),
    tile('Coverage', percent(coverage.ratio), coverage.complete ? 'of the heap was walked' : 'of the heap was walked: incomplete',
      coverage.complete ? '' : 'warning'),
  ];
  const facts = [
    ['Process', `${process.name} ${process.pid}`],
    ['Arguments', Array.isArray(process.arguments) ? process.arguments.join(' ') : null],
    ['Versions', `Node.js ${process.node_version || 'unknown'}, V8 ${info.v8_version}, ${process.architecture}`],
    ['Captured', moment(capture.captured_at)
      + (process.uptime_seconds === undefined ? '' : `, ${seconds(process.uptime_seconds)} after the start`)],
    ['Written by', capture.writer],
    ['Signal', capture.signal && capture.signal.text],
    ['Redacted', capture.redaction === 'none' ? null : capture.redaction],
    ['Layout', info.layout.table + (info.layout.within_range ? '' : ' (the nearest known)')],
  ];
  const memory = info.memory.filter((part) => part.resident_bytes > 0);
  return section('summary', 'Summary', null,
    h('div', {class: 'tiles'}, tiles),
    warnings(report),
    h('dl', {class: 'facts'}, facts.filter(([, text]) => text).map(([title, text]) => [h('dt', {}, title), h('dd', {}, h('bdi', {}, text))])),
    memory.length > 0
      ? stackedBar('Resident memory of the process, by kind', memory.map((part) => ({name: part.kind, value: part.resident_bytes})))
      : null,
    stackedBar('V8 heap, by space', info.spaces.map((part) => ({name: part.space, value: part.committed_bytes}))),
    stackedBar('V8 heap, by use', uses(info.spaces)),
    info.isolates.length > 1 && isolates(info),
    !classes.error && h('p', {class: 'note'}, 'The table of classes counts dead objects that are not yet swept; what is retained is of objects that are alive.'));
}

function tile(title, figure, text, mood = '') {
  return h('div', {class: `tile ${mood}`}, h('div', {class: 'title'}, title), h('div', {class: 'figure'}, figure), h('div', {class: 'text'}, text));
}

function uses(spaces) {
  const sum = (field) => spaces.reduce((all, space) => all + space[field], 0);
  return [
    {name: 'objects', value: sum('object_bytes'), title: 'dead ones that are not yet swept included'},
    {name: 'free', value: sum('free_bytes'), title: 'free-list entries and fillers'},
    {name: 'not yet allocated', value: sum('unallocated_bytes')},
    {name: 'idle semispace', value: sum('idle_bytes')},
    {name: 'page headers', value: sum('overhead_bytes')},
    {name: 'not recognised', value: sum('unknown_bytes')},
    {name: 'not in the file', value: sum('missing_bytes')},
  ];
}

function warnings(report) {
  const known = new Set();
  for (const part of [report.info, report.classes, report.suspects, report.growth, report.texts]) {
    for (const text of (part && part.warnings) || []) known.add(text);
  }
  if (report.shortened) known.add('Some lists were shortened to keep this file small: the commands show all of them.');
  if (known.size === 0) return null;
  return h('div', {class: 'notice warning', role: 'note'}, h('strong', {}, 'Before you believe the figures'),
    h('ul', {}, [...known].map((text) => h('li', {}, h('bdi', {}, text)))));
}

function isolates(info) {
  return h('details', {}, h('summary', {}, `${plural(info.isolates.length, 'isolate')}: the main thread and workers`),
    h('ul', {class: 'plain'}, info.isolates.map((isolate) => h('li', {},
      `isolate ${isolate.number}: thread ${isolate.tid}, ${plural(isolate.pages, 'page')}, `, bytes(isolate.committed_bytes),
      isolate.gc === 'idle' ? '' : `, garbage collection: ${isolate.gc}`))));
}
