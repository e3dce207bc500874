'use strict';
// A heap of any size that has every kind of object in it, and many references between them: a linked list through all
// records, dictionaries, arrays of all kinds, collections, closures, buffers, strings of every representation.
// `--n 500000` makes about 300 MB, `--n 1750000` a gigabyte with 19 million nodes. Runs on Node 4 to 26.
//
//   node --max-old-space-size=8192 [--expose-gc] mixed-heap.js [--n 20000]
//
// READY { counts: { class: instances }, heapUsed, rss }, sizes in bytes. The command `grow N` adds N records and as many
// listeners, `snapshot FILE` runs v8.writeHeapSnapshot and answers how long it took and what it cost in memory.
var fs = require('fs');
var EventEmitter = require('events').EventEmitter;
var protocol = require('./protocol');

var N = +protocol.option('n', 20000);
var counts = {};
var living = protocol.keep({ records: [] });

class Record {
  constructor(i, before) {
    this.id = i;
    this.ratio = i + 0.25;
    this.name = 'record-' + i;
    this.before = before;
    this.even = (i & 1) === 0;
  }
}
function Wide(i) { this.first = i; this.second = 'second'; this.third = null; this.fourth = undefined; }
function Dictionary(i) { this.number = i; this.gone = 1; this.name = 'dictionary'; }
function Lists(i) {
  this.smis = [i, i + 1, i + 2, i + 3];
  this.doubles = [i + 0.5, i + 1.5, -0.25, 1e300];
  this.holey = [i, , 'x', , i];               // eslint-disable-line no-sparse-arrays
  this.objects = [this.smis, { tag: i }, 'text', null];
}
class Base { constructor(name) { this.baseName = name; } }
class Derived extends Base { constructor(name, age) { super(name); this.age = age; } }
function Texts(i, parent) {
  this.flat = 'sequential_one_byte_text_number_' + i;
  this.concatenated = this.flat + ('_and_a_tail_that_is_never_flattened_' + i);
  this.slice = parent.substring(i % 1000, (i % 1000) + 100);
  this.wide = '\u0436\u4e2d two byte ' + i;
}
function bytes(length, fill) {
  // Buffer.alloc is missing before Node 5.10.
  var buffer = Buffer.alloc ? Buffer.alloc(length) : new Buffer(length);
  buffer.fill(fill);
  return buffer;
}
function Binary(i) {
  this.buffer = bytes(64, i & 255);
  this.outside = new ArrayBuffer(256);
  this.view = new Uint8Array(this.outside, 16, 32);
  this.inside = new Float64Array(8);
  this.inside[0] = i;
}
function Payload(i) { this.i = i; this.text = new Array(8).join('payload' + i + ';'); }
function counter(i) {
  var hidden = { secret: i };
  return function countOne() { hidden.secret++; return hidden; };
}
function listen(bus, i) {
  var payload = new Payload(i);
  bus.on('tick', function onTick() { return payload.text.length; });
}

// `every`: one for so many records.
function fill(name, every, make, isClass) {
  var all = living[name] = [];
  for (var i = 0, m = Math.max(1, Math.floor(N / every)); i < m; i++) all.push(make(i));
  if (isClass) counts[name] = all.length;
}

for (var i = 0; i < N; i++) living.records.push(new Record(i, i ? living.records[i - 1] : null));
counts.Record = N;
fill('Wide', 2, function (i) { return new Wide(i); }, true);
// Once instances have got their final size, what is added goes into a store of their own.
living.Wide.forEach(function (wide, i) {
  for (var k = 0; k < 12; k++) wide['extra' + k] = k === 11 ? i * 1.5 : i + k;
});
fill('Dictionary', 4, function (i) {
  var it = new Dictionary(i);
  delete it.number; it['key' + (i % 97)] = i; it.number = i; delete it.gone;
  return it;
}, true);
fill('Lists', 8, function (i) { return new Lists(i); }, true);
fill('Derived', 8, function (i) { return new Derived('derived' + (i % 10), i); }, true);
fill('literals', 4, function (i) { return { x: i, y: -i, text: 'L' }; });
fill('Map', 16, function (i) {
  return new Map([['a', i], [i, living.records[i]], [living.records[i], 'v'], [1.5, null]]);
});
fill('Set', 16, function (i) { return new Set([i, 's' + i, living.records[i]]); });
fill('closures', 4, counter);
fill('Binary', 16, function (i) { return new Binary(i); }, true);
var parent = '';
for (var k = 0; k < 400; k++) parent += 'abcdefghijklmnopqrstuvwxyz' + k + ',';
parent = JSON.parse(JSON.stringify(parent));
fill('Texts', 8, function (i) { return new Texts(i, parent); }, true);
// Long enough that Node keeps them outside of V8's heap.
living.external = [65, 66].map(function (fill) { return bytes(1100000, fill).toString('binary'); });
fill('dates', 16, function (i) { return new Date(1500000000000 + i * 1000); });
fill('patterns', 64, function (i) { return new RegExp('^pattern' + i + '(\\d+)$', 'gi'); });
fill('symbols', 16, function (i) { return Symbol('symbol-' + i); });
fill('promises', 16, function (i) { return i % 3 ? Promise.resolve(i) : new Promise(function () {}); });
if (typeof BigInt === 'function') {
  fill('bigints', 16, function (i) { return BigInt(i) * BigInt('0x10000000000000001'); });
}
fill('errors', 64, function (i) { return new TypeError('error ' + i); });
if (typeof Proxy === 'function') fill('proxies', 64, function (i) { return new Proxy({ target: i }, {}); });
living.weak = new WeakMap();
for (i = 0; i < N / 64; i++) living.weak.set(living.records[i], { value: i });
living.bus = new EventEmitter();
living.bus.setMaxListeners(0);
function grow(n) {
  for (var i = 0; i < n; i++) {
    living.records.push(new Record(i, living.records[living.records.length - 1]));
    listen(living.bus, i);
  }
}
for (i = 0; i < Math.max(1, Math.floor(N / 16)); i++) listen(living.bus, i);
counts.Payload = Math.max(1, Math.floor(N / 16));

// The most memory that was ever resident, in bytes.
function peak() {
  var found = /VmHWM:\s+(\d+)/.exec(fs.readFileSync('/proc/self/status', 'latin1'));
  return found ? found[1] * 1024 : 0;
}

protocol.collect();
var memory = process.memoryUsage();
protocol.ready({ counts: counts, heapUsed: memory.heapUsed, rss: memory.rss }, {
  grow: function (n, reply) {
    grow(+n);
    protocol.collect();
    reply({ heapUsed: process.memoryUsage().heapUsed });
  },
  snapshot: function (file, reply) {
    var before = process.memoryUsage().rss;
    var start = Date.now();
    require('v8').writeHeapSnapshot(file);
    reply({ ms: Date.now() - start, bytes: fs.statSync(file).size, extraBytes: Math.max(0, peak() - before) });
  }
});
