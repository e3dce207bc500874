'use strict';
// Buffers of every kind, with contents that are all told.
var protocol = require('./protocol');

function BufferHolder() {}

var seed = 0;
function fill(bytes) {
  seed++;
  for (var i = 0; i < bytes.length; i++) bytes[i] = (seed * 31 + i * 7 + (i >> 8)) & 255;
  return bytes;
}

var holder = protocol.keep(new BufferHolder());
// From Node's pool of eight kilobytes.
holder.pooled = Buffer.from('a pooled Buffer, with text');
holder.large = fill(Buffer.alloc(20000));
holder.slice = holder.large.slice(19000);
// In the heap, as long as nobody asks for its buffer.
holder.onHeap = fill(new Uint8Array(16));
holder.bytes = fill(new Uint8Array(3000));
holder.words = fill(new Uint16Array(2500));
holder.clamped = fill(new Uint8ClampedArray(300));
holder.doubles = new Float64Array(700);
for (var i = 0; i < 700; i++) holder.doubles[i] = i / 8 - 50;
holder.few = new Float64Array([1.5, -0.25, 1e300]);
holder.integers = new Int32Array(400);
for (i = 0; i < 400; i++) holder.integers[i] = i * -7919;
holder.buffer = new ArrayBuffer(3001);
fill(new Uint8Array(holder.buffer));
if (typeof SharedArrayBuffer !== 'undefined') {
  holder.shared = new SharedArrayBuffer(5000);
  fill(new Uint8Array(holder.shared));
}
if (typeof WebAssembly !== 'undefined') {
  // Ten gigabytes of addresses are reserved for it, of which one page is its own.
  protocol.keep(holder.memory = new WebAssembly.Memory({ initial: 1 }));
  holder.wasm = holder.memory.buffer;
  fill(new Uint8Array(holder.wasm));
}
// Hardly touched: most of it has no memory yet.
var huge = protocol.keep(Buffer.alloc(24 << 20));
huge.fill(0x77, huge.length - 100);
holder.untouched = huge.slice(1 << 20, (1 << 20) + 50);
holder.end = huge.slice(huge.length - 150);

var truth = {};
Object.keys(holder).forEach(function (name) {
  var value = holder[name];
  if (name === 'memory') return;
  var isView = ArrayBuffer.isView(value);
  truth[name] = {
    view: isView,
    // The page of WebAssembly is as long as the others together.
    values: Array.prototype.slice.call(isView ? value : new Uint8Array(value)),
  };
});

protocol.collect();
protocol.ready({ buffers: truth }, {
  same: function (argument, reply) {
    reply({
      same: Object.keys(truth).every(function (name) {
        var values = truth[name].values;
        var value = truth[name].view ? holder[name] : new Uint8Array(holder[name]);
        return values.every(function (expected, at) { return value[at] === expected; });
      }),
    });
  },
});
