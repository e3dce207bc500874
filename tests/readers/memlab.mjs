// Prints what memlab makes of a snapshot, as JSON: objects by name with their count, shallow and retained sizes.
//
//   node memlab.mjs FILE
import {getFullHeapFromFile} from '@memlab/heap-analysis';

const log = console.log;
console.log = () => {};
const heap = await getFullHeapFromFile(process.argv[2]);
const classes = {};
heap.nodes.forEach(node => {
  if (node.type !== 'object') return;
  const row = (classes[node.name] ??= {count: 0, shallow: 0, largestRetained: 0});
  row.count++;
  row.shallow += node.self_size;
  row.largestRetained = Math.max(row.largestRetained, node.retainedSize);
});
log(JSON.stringify({nodes: heap.nodes.length, edges: heap.edges.length, classes}));
process.exit(0);
