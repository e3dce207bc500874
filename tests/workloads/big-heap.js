'use strict';
// A heap of any size, of the mixture that services have: instances, dictionaries, arrays, closures, collections,
// strings of every kind, dates, promises. `--n 2500000` makes about a gigabyte. Runs on Node 4 to 26.
//
//   node --max-old-space-size=8192 [--expose-gc] big-heap.js [--n 20000]
//
// READY { counts: { class: instances }, heapUsed, rss }, sizes in bytes; the command `gap` answers the longest time in
// milliseconds for which the event loop stood still since it was last asked, `snapshot FILE` runs v8.writeHeapSnapshot.
var protocol = require('./protocol');

var N = +protocol.option('n', 20000);

class Order {
  constructor(i, before) {
    this.id = i;
    this.amount = i + 0.25;
    this.label = 'order ' + i;
    this.before = before;
    this.paid = (i & 1) === 0;
  }
}
class Refund extends Order { constructor(i, before) { super(i, before); this.reason = 'reason ' + (i % 10); } }
function Item(i) { this.sku = i; this.price = i / 4; this.tags = ['tag ' + (i % 100), i]; }
function Settings(i) { this.first = i; this.second = i; delete this.first; this['option ' + (i % 97)] = i; }
function subscribe(i) {
  var state = { seen: 0, by: i };
  return function onEvent() { return ++state.seen; };
}

var living = protocol.keep({
  orders: [], refunds: [], items: [], settings: [], listeners: [], indexes: [], texts: [], others: []
});
var parent = JSON.parse(JSON.stringify(new Array(500).join('a long text of which many slices are kept; ')));
for (var i = 0; i < N; i++) {
  living.orders.push(new Order(i, living.orders[i >> 1] || null));
  if (i % 2 === 0) living.items.push(new Item(i));
  if (i % 4 === 0) living.listeners.push(subscribe(i));
  if (i % 4 === 1) living.texts.push('head of text number ' + i + (' and the tail of text number ' + i));
  if (i % 8 === 2) living.refunds.push(new Refund(i, null));
  if (i % 8 === 3) living.settings.push(new Settings(i));
  if (i % 8 === 4) living.texts.push(parent.substring(i % 9000, i % 9000 + 80), '\u4e2d\u6587 ' + i);
  if (i % 16 === 5) living.indexes.push(new Map([['id', i], [i, living.orders[i]]]), new Set([i, 'member ' + i]));
  if (i % 16 === 6) living.others.push(new Date(i), Promise.resolve(i), [i + 0.5, -i - 0.5, 1e300], new Float64Array(4));
}
var counts = {
  Order: N, Refund: living.refunds.length, Item: living.items.length, Settings: living.settings.length
};

protocol.collect();
var memory = process.memoryUsage();
var longestGap = protocol.gapRecorder();
protocol.ready({ counts: counts, heapUsed: memory.heapUsed, rss: memory.rss }, {
  gap: function (_, reply) { reply({ longestGapMs: longestGap() }); },
  snapshot: function (file, reply) {
    require('v8').writeHeapSnapshot(file);
    reply({ file: file });
  }
});
