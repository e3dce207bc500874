'use strict';
// Somebody writes to a stream without looking at what write() returns, and the other end does not read.
var Writable = require('stream').Writable;
var leak = require('./leak');

class SlowSink extends Writable {
  _write(chunk, encoding, callback) {
    this.stalled = callback;
  }
}

var sink = new SlowSink({ objectMode: true });

function produce(i) {
  sink.write(leak.payload(i));
}

leak.run(__filename, { accumulates: 'Array', holder: ['sink', 'SlowSink', 'buffered', 'WritableState'], contents: 'Object' }, produce, 30000);
