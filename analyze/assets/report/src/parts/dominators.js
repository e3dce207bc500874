// The dominator tree.
import {command, failed, h, name, notice, section} from '../dom.js';
import {bytes, bytesText, count, percent} from '../format.js';
import {colorOf, icicle} from '../icicle.js';

export function dominators(report) {
  const {outline} = report;
  const title = 'Dominator tree';
  if (outline.error) return section('tree', title, null, failed(outline));
  const lead = 'Each box is as wide as what would be free if it were gone: an object, or many small ones of a class. Below it stands what only it keeps alive.';
  if (outline.nodes.length === 0) return section('tree', title, lead, notice('Nothing is alive in the part of the heap that was selected.'));
  const file = report.files[report.files.length - 1];
  const root = {name: 'all that is alive', own: 0, color: null, retained: outline.live_bytes, children: []};
  const nodes = outline.nodes.map((node) => ({
    node,
    name: title_(node),
    color: isInternal(node.class) ? null : colorOf(node.class),
    retained: node.retained_bytes,
    own: node.retained_bytes,
    children: [],
  }));
  nodes.forEach((child) => {
    const parent = child.node.parent === undefined ? root : nodes[child.node.parent];
    // What was left out to keep the file small has no parent either.
    if (parent) parent.children.push(child);
  });
  for (const parent of [root, ...nodes]) {
    const below = parent.children.reduce((sum, child) => sum + child.retained, 0);
    parent.own = Math.max(0, parent.retained - below);
  }
  return section('tree', title, lead, icicle({
    data: root,
    label: title,
    amount: bytesText,
    details: (data, ofAll, ofParent) => details(data, ofAll, ofParent, file),
  }));
}

function title_(node) {
  const via = node.via ? `${node.via}: ` : '';
  // The class first: narrow boxes show the beginning.
  return via + (node.class || '(anonymous)') + (node.count === 1 ? '' : ` × ${count(node.count)}`);
}

function isInternal(text) {
  return text.startsWith('(') || text.startsWith('system /');
}

function details(data, ofAll, ofParent, file) {
  const {node} = data;
  if (!node) return [h('p', {}, h('strong', {}, 'All that is alive'), ', ', bytes(data.retained))];
  const single = node.count === 1;
  return [
    h('p', {class: 'chosen'}, h('strong', {}, name(data.name)), ' retains ', bytes(node.retained_bytes), `, ${percent(ofAll)} of all that is alive`,
      ofParent && ofParent < 1 ? `, ${percent(ofParent)} of the box above` : '', '; ', bytes(node.shallow_bytes), ' its own'),
    node.nested && h('p', {}, 'They stand below each other, in a list or tree of any depth, and are drawn as one.'),
    node.summary && h('pre', {}, h('code', {}, node.summary)),
    h('p', {class: 'commands'}, !single && 'One of them: ',
      command(`v8mini inspect ${file} ${node.address}`), command(`v8mini path ${file} ${node.address}`),
      single && command(`v8mini tree ${file} --node ${node.address}`)),
  ].filter(Boolean);
}
