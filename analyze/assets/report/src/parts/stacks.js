// Where each thread was.
import {failed, h, name, notice, section} from '../dom.js';
import {grouped, percent, plural} from '../format.js';
import {icicle} from '../icicle.js';

const COLORS = {interpreted: 0, baseline: 1, maglev: 2, optimized: 3, 'full-codegen': 1, builtin: 4};

export function stacks(report) {
  const found = report.stacks;
  const title = 'Stacks';
  if (found.error) return section('stacks', title, null, failed(found));
  const threads = found.threads.filter((thread) => thread.frames.length > 0);
  if (threads.length === 0) return section('stacks', title, null, notice('The capture holds no stack.'));
  const lead = `${plural(found.threads.length, 'thread')} at the moment of the capture: callers above, callees below. Threads with the same calls stand together.`;
  const holder = h('div', {});
  function draw(native) {
    holder.replaceChildren(icicle({
      data: merge(threads, native),
      label: title,
      amount: (value) => plural(Math.round(value), 'thread'),
      details,
    }));
  }
  const toggle = h('label', {class: 'check'}, h('input', {
    type: 'checkbox', checked: true, onchange: (event) => draw(event.target.checked),
  }), ' Native frames, and those of V8 and Node.js');
  draw(true);
  return section('stacks', title, lead, toggle, holder,
    h('ul', {class: 'kinds'}, Object.entries({interpreted: 'interpreted', baseline: 'baseline', maglev: 'Maglev', optimized: 'optimized', builtin: 'builtin'})
      .map(([kind, text]) => h('li', {}, h('span', {class: `swatch color-${COLORS[kind]}`}), text)), h('li', {}, h('span', {class: 'swatch plain'}), 'native and internal')),
    threads.map(listing));
}

function role(thread) {
  if (thread.kind === 'main') return 'main thread';
  if (thread.kind === 'worker') return `worker ${thread.worker}`;
  return thread.name || 'native thread';
}

function merge(threads, native) {
  const root = {name: plural(threads.length, 'thread'), color: null, own: 0, children: [], threads: threads.length};
  for (const thread of threads) {
    let at = below(root, role(thread), {color: null, thread, rank: {main: 0, worker: 1}[thread.kind] ?? 2});
    const frames = [...thread.frames].reverse().filter((frame) => native || isOwn(frame) || thread.kind === 'native');
    let place = thread.frames.length;
    for (const frame of frames) {
      place -= 1;
      if (thread.left_out > 0 && place === Math.floor(thread.frames.length / 2)) at = below(at, `… ${grouped(thread.left_out)} more frames …`, {color: null});
      at = below(at, call(frame), {color: COLORS[frame.kind] ?? null, frame});
    }
    at.own += 1;
  }
  return root;
}

function below(parent, name, data) {
  let child = parent.children.find((child) => child.name === name);
  if (!child) {
    child = {name, own: 0, children: [], ...data};
    parent.children.push(child);
  }
  return child;
}

function isOwn(frame) {
  const file = (frame.function && frame.function.file) || '';
  return Boolean(frame.function) && !file.startsWith('node:') && file !== '';
}

function call(frame) {
  if (frame.function) {
    const {name, file, line} = frame.function;
    const base = file ? ` ${file.split('/').pop()}${line ? `:${line}` : ''}` : '';
    return `${frame.is_construct ? 'new ' : ''}${name || '(anonymous)'}${base}`;
  }
  const native = frame.native;
  if (native && native.name) return native.name;
  if (frame.kind !== 'native') return `<${frame.kind}>`;
  return native && native.module ? `??? in ${native.module.split('/').pop()}` : '???';
}

function details(data, part) {
  const {frame, thread} = data;
  if (thread) return [h('p', {class: 'chosen'}, h('strong', {}, role(thread)), `, thread ${thread.tid}, state ${thread.state}`)];
  if (!frame) return [h('p', {class: 'chosen'}, h('strong', {}, name(data.name)))];
  const {file, line, column} = frame.function || {};
  return [h('p', {class: 'chosen'}, h('strong', {}, name(data.name)), ` on ${percent(part)} of the stacks · ${frame.kind}${frame.is_inlined ? ', inlined' : ''}`,
    file && [' · ', h('code', {class: 'place'}, `${file}${line ? `:${line}:${column}` : ''}`)],
    frame.native && frame.native.module && [' · ', h('code', {class: 'place'}, frame.native.module)])];
}

function listing(thread) {
  const middle = thread.left_out > 0 ? Math.floor(thread.frames.length / 2) : -1;
  return h('details', {}, h('summary', {}, `${role(thread)}: thread ${thread.tid}, state ${thread.state}, ${plural(thread.frames.length + (thread.left_out || 0), 'frame')}`,
    thread.complete ? '' : ' (the end was not found)'),
    thread.problems.map((problem) => h('p', {class: 'notice warning'}, problem)),
    h('ol', {class: 'frames', start: '0'}, thread.frames.map((frame, index) => [
      index === middle && h('li', {class: 'none'}, `… ${grouped(thread.left_out)} more frames …`),
      h('li', {class: frame.function ? '' : 'native'}, name(call(frame), 160), h('span', {class: 'tag'}, frame.kind + (frame.is_inlined ? ', inlined' : '')),
        frame.function && frame.function.file && h('code', {class: 'place'}, `${frame.function.file}:${frame.function.line}:${frame.function.column}`))])));
}
