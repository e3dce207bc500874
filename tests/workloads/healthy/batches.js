'use strict';
// Rows that are collected and written out in batches, and a cache of two generations: both are thrown away as a whole.
var protocol = require('../protocol');

class Batcher {
  constructor() {
    this.rows = [];
    this.written = 0;
  }
  add(row) {
    this.rows.push(row);
    if (this.rows.length >= 5000) this.flush();
  }
  flush() {
    this.written += this.rows.length;
    this.rows = [];
  }
}

var batcher = new Batcher();
var young = new Map();
var old = new Map();

function remember(key, value) {
  young.set(key, value);
  if (young.size >= 4000) {
    old = young;
    young = new Map();
  }
}

function recall(key) {
  return young.get(key) || old.get(key);
}

var next = 0;
function work(count) {
  for (var i = 0; i < count; i++, next++) {
    batcher.add({ number: next, line: 'line ' + next });
    remember('key-' + next, { number: next, text: 'text ' + next });
    recall('key-' + (next >> 1));
  }
}

work(23500);
protocol.collect();
protocol.ready({ rows: batcher.rows.length, young: young.size }, {
  more: function (argument, reply) {
    work(+argument);
    protocol.collect();
    reply({ written: batcher.written });
  }
});
