// Prints what the heap-snapshot worker of Chrome DevTools makes of a snapshot, as JSON: what stands in the Summary view.
//
//   node devtools.bundle.mjs FILE     Node 22 or later
import {createReadStream} from 'node:fs';
import {SecondaryInitManager} from
    'chrome-devtools-frontend/front_end/entrypoints/heap_snapshot_worker/HeapSnapshot.ts';
import {HeapSnapshotLoader} from
    'chrome-devtools-frontend/front_end/entrypoints/heap_snapshot_worker/HeapSnapshotLoader.ts';
import {HeapSnapshotModel} from 'chrome-devtools-frontend/front_end/models/heap_snapshot/heap_snapshot.ts';

const loader = new HeapSnapshotLoader({sendEvent() {}});
for await (const chunk of createReadStream(process.argv[2], {encoding: 'utf8', highWaterMark: 1 << 20})) {
  loader.write(chunk);
}
loader.close();
const channel = new MessageChannel();
new SecondaryInitManager(channel.port2);
const snapshot = await loader.buildSnapshot(channel.port1);

const classes = {};
const aggregates = snapshot.aggregatesWithFilter(new HeapSnapshotModel.NodeFilter());
for (const {name, count, self, maxRet} of Object.values(aggregates)) {
  // One name may stand in several rows: classes of the same name in different files.
  const row = (classes[name] ??= {count: 0, shallow: 0, retained: 0});
  row.count += count;
  row.shallow += self;
  row.retained += maxRet;
}
console.log(JSON.stringify({nodes: snapshot.nodeCount, shallow: snapshot.totalSize, classes}));
process.exit(0);
